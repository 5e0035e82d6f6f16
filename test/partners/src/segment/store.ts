import { isRecord, list, record } from '../narrow.ts';
import type { Deed } from '../partner.ts';

export type Categories = Readonly<Record<string, boolean>>;

interface Person {
  /** As told by the newest consent-preference event. */
  preferences: Categories | undefined;
  /** As stamped on the newest event that carried a consent object. */
  stamped: Categories | undefined;
  traits: Record<string, unknown>;
  readonly counts: Record<string, number>;
  /** Wall clock of the newest event that went on to destinations. */
  lastFlowedMs: number | undefined;
  suppressed: boolean;
}

export interface Regulation {
  readonly id: string;
  readonly type: string;
  readonly subjectIds: readonly string[];
  readonly source: string | undefined;
  /** By the partner's clock. */
  readonly createdMs: number;
  /** Fault lie: accepted, and in the end nothing is done. */
  readonly bound: 'finish' | 'fail';
  settledMs: number | undefined;
}

/** Effects that go on to the destinations. */
const flowing = new Set(['tracked', 'unstamped']);

/** Users, their consent, suppressions and regulations: a fold over effects. */
export class SegmentStore {
  readonly #people = new Map<string, Person>();
  readonly #messages = new Set<string>();
  readonly regulations = new Map<string, Regulation>();

  suppressed(userId: string): boolean {
    return this.#people.get(userId)?.suppressed ?? false;
  }

  suppressedIds(): readonly string[] {
    return [...this.#people].filter(([, person]) => person.suppressed).map(([userId]) => userId);
  }

  seen(messageId: string): boolean {
    return this.#messages.has(messageId);
  }

  apply(effect: Deed, ms: number): void {
    const detail = effect.detail ?? {};
    switch (effect.what) {
      case 'regulationCreated':
        this.#create(effect);
        break;
      case 'regulationDeleted':
        this.regulations.delete(effect.scope.split('/')[1] ?? '');
        break;
      case 'regulationSettled':
        this.#settle(effect);
        break;
      case 'suppressed':
      case 'unsuppressed':
        for (const userId of effect.identifiers) this.#person(userId).suppressed = effect.what === 'suppressed';
        break;
      case 'deleted':
        for (const userId of effect.identifiers) this.#person(userId).traits = {};
        break;
      default:
        this.#event(effect, detail, ms);
    }
  }

  state(id?: string): unknown {
    if (id !== undefined) return { userId: id, ...(this.#people.get(id) ?? { unknown: true }) };
    const users = [...this.#people].map(([userId, person]) => ({ userId, ...person }));
    return { users, suppressed: this.suppressedIds(), regulations: [...this.regulations.values()] };
  }

  #event(effect: Deed, detail: Readonly<Record<string, unknown>>, ms: number): void {
    if (typeof detail['messageId'] === 'string') this.#messages.add(detail['messageId']);
    for (const identifier of effect.identifiers) {
      const person = this.#person(identifier);
      person.counts[effect.what] = (person.counts[effect.what] ?? 0) + 1;
      if (effect.what === 'duplicate' || effect.what === 'rejected' || effect.what === 'dropped') continue;
      const categories = categoriesOf(detail['categoryPreferences']);
      if (effect.what === 'preferenceUpdated') person.preferences = categories;
      if (categories !== undefined) person.stamped = categories;
      if (!flowing.has(effect.what)) continue;
      person.lastFlowedMs = ms;
      Object.assign(person.traits, record(detail['traits']));
    }
  }

  #create(effect: Deed): void {
    const id = effect.scope.split('/')[1] ?? '';
    const { type, source, createdMs, bound } = effect.detail ?? {};
    this.regulations.set(id, {
      id,
      type: String(type),
      subjectIds: effect.identifiers,
      source: typeof source === 'string' ? source : undefined,
      createdMs: Number(createdMs),
      bound: bound === 'fail' ? 'fail' : 'finish',
      settledMs: undefined,
    });
  }

  #settle(effect: Deed): void {
    const regulation = this.regulations.get(effect.scope.split('/')[1] ?? '');
    if (regulation !== undefined) regulation.settledMs = Number(effect.detail?.['settledMs']);
  }

  #person(userId: string): Person {
    const held = this.#people.get(userId) ?? {
      preferences: undefined,
      stamped: undefined,
      traits: {},
      counts: {},
      lastFlowedMs: undefined,
      suppressed: false,
    };
    this.#people.set(userId, held);
    return held;
  }
}

/** `context.consent.categoryPreferences` as Segment takes it: names to booleans; undefined when it is not that. */
export function categoriesOf(value: unknown): Categories | undefined {
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value);
  const booleans = entries.filter((entry): entry is [string, boolean] => typeof entry[1] === 'boolean');
  return entries.length > 0 && booleans.length === entries.length ? Object.fromEntries(booleans) : undefined;
}

export const idsIn = (value: unknown): readonly string[] =>
  list(value).filter((id): id is string => typeof id === 'string' && id.length > 0);
