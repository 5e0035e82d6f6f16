import type { Deed } from '../partner.ts';

export interface UploadSession {
  readonly sessionId: string;
  readonly audience: string;
  readonly received: number;
  readonly invalid: number;
  /** By the partner's clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly last: boolean;
}

/**
 * Members per audience, by identifier: the hash alone is what Meta was given, so it is what must be gone. A row of two
 * identifiers is two members here, and removing one leaves the other; a fold over effects.
 */
export class AudienceStore {
  readonly #members = new Map<string, Set<string>>();
  readonly #sessions = new Map<string, UploadSession>();
  /** Events by the hashes they carried, each id and name once. */
  readonly #events = new Map<string, Map<string, object>>();

  constructor(audiences: readonly string[]) {
    for (const audience of audiences) this.#members.set(audience, new Set());
  }

  knows(audience: string): boolean {
    return this.#members.has(audience);
  }

  audiences(): readonly string[] {
    return [...this.#members.keys()];
  }

  has(audience: string, identifier: string): boolean {
    return this.#members.get(audience)?.has(identifier) ?? false;
  }

  sessions(audience: string, sessionId: string | undefined): readonly UploadSession[] {
    return [...this.#sessions.values()].filter(
      (session) => session.audience === audience && (sessionId === undefined || session.sessionId === sessionId),
    );
  }

  apply(effect: Deed): void {
    if (effect.what === 'event') return this.#receive(effect);
    const audience = effect.scope.split('/')[1] ?? '';
    const members = this.#members.get(audience) ?? new Set<string>();
    this.#members.set(audience, members);
    switch (effect.what) {
      case 'added':
        for (const identifier of effect.identifiers) members.add(identifier);
        break;
      case 'removed':
        for (const identifier of effect.identifiers) members.delete(identifier);
        break;
      case 'uploaded':
        this.#upload(audience, effect.detail ?? {});
        break;
      default:
    }
  }

  state(id?: string): unknown {
    const all = [...this.#members];
    if (id !== undefined)
      return {
        identifier: id,
        audiences: all.filter(([, held]) => held.has(id)).map(([audience]) => audience),
        ...(this.#events.has(id) ? { events: [...(this.#events.get(id)?.values() ?? [])] } : {}),
      };
    return { audiences: Object.fromEntries(all.map(([audience, held]) => [audience, [...held]])) };
  }

  /** A second event of the same name and id counts once. */
  #receive({ identifiers, detail = {} }: Deed): void {
    for (const identifier of identifiers) {
      const events = this.#events.get(identifier) ?? new Map<string, object>();
      this.#events.set(identifier, events);
      events.set(`${String(detail['name'])} ${String(detail['id'])}`, detail);
    }
  }

  #upload(audience: string, detail: Readonly<Record<string, unknown>>): void {
    const sessionId = String(detail['sessionId']);
    const before = this.#sessions.get(sessionId);
    const nowMs = Number(detail['nowMs']);
    this.#sessions.set(sessionId, {
      sessionId,
      audience,
      received: (before?.received ?? 0) + Number(detail['received']),
      invalid: (before?.invalid ?? 0) + Number(detail['invalid']),
      startMs: before?.startMs ?? nowMs,
      endMs: nowMs,
      last: detail['last'] === true,
    });
  }
}
