import { record } from '../narrow.ts';
import type { Deed } from '../partner.ts';

/** An event as a property holds it, with what is left of the person in it. */
interface EventRecord {
  readonly name: string;
  userId: string | undefined;
  clientId: string | undefined;
  readonly consent: Readonly<Record<string, unknown>>;
  readonly storedMs: number;
}

export type IdType = 'USER_ID' | 'CLIENT_ID' | 'APP_INSTANCE_ID';

interface Deletion {
  readonly number: number;
  readonly property: string;
  readonly type: IdType;
  readonly id: string;
  /** By the partner's clock; data after it is not covered. */
  readonly requestedMs: number;
  done: boolean;
}

/** Properties with their events, deletions and issued tokens: a fold over effects. */
export class Ga4Store {
  readonly #events = new Map<string, EventRecord[]>();
  readonly #deletions: Deletion[] = [];
  readonly #tokens = new Map<string, { readonly expiresMs: number; readonly scopes: readonly string[] }>();

  tokenOpens(token: string, scope: string, nowMs: number): boolean {
    const held = this.#tokens.get(token);
    return held !== undefined && held.expiresMs > nowMs && held.scopes.includes(scope);
  }

  due(beforeMs: number): readonly Deletion[] {
    return this.#deletions.filter(({ done, requestedMs }) => !done && requestedMs <= beforeMs);
  }

  apply(effect: Deed): void {
    const detail = record(effect.detail);
    const property = effect.scope.split('/')[1] ?? '';
    const [id = ''] = effect.identifiers;
    switch (effect.what) {
      case 'tokenIssued':
        this.#tokens.set(String(detail['token']), {
          expiresMs: Number(detail['expiresMs']),
          scopes: String(detail['scope']).split(' '),
        });
        break;
      case 'recorded':
        this.#of(property).push({
          name: String(detail['name']),
          userId: textOf(detail['userId']),
          clientId: textOf(detail['clientId']),
          consent: record(detail['consent']),
          storedMs: Number(detail['storedMs']),
        });
        break;
      case 'deletionRequested': {
        const type = detail['type'] as IdType;
        const number = this.#deletions.length + 1;
        this.#deletions.push({ number, property, type, id, requestedMs: Number(detail['requestedMs']), done: false });
        break;
      }
      case 'deleted':
        for (const deletion of this.#deletions.filter(({ number }) => number === detail['number']))
          this.#delete(deletion);
        break;
      default:
    }
  }

  /** What each property still knows under an identifier: nothing of a person whose every trace was deleted. */
  state(id?: string): unknown {
    const properties = [...this.#events].map(([property, events]) => {
      const held = events.filter(({ userId, clientId }) => id === undefined || userId === id || clientId === id);
      return [
        property,
        { events: held.length, names: held.map(({ name }) => name), consent: held.at(-1)?.consent ?? null },
      ];
    });
    return { properties: Object.fromEntries(properties) as unknown, deletions: this.#deletions };
  }

  #delete(deletion: Deletion): void {
    deletion.done = true;
    const { type, id } = deletion;
    for (const event of this.#of(deletion.property)) {
      if (event.storedMs > deletion.requestedMs) continue;
      if (type === 'USER_ID' && event.userId === id) event.userId = undefined;
      if (type === 'CLIENT_ID' && event.clientId === id) event.clientId = undefined;
    }
  }

  #of(property: string): EventRecord[] {
    const events = this.#events.get(property) ?? [];
    this.#events.set(property, events);
    return events;
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export const dueDeletions = (store: Ga4Store, beforeMs: number): readonly Deed[] =>
  store.due(beforeMs).map(({ number, property, id }) => ({
    what: 'deleted',
    identifiers: [id],
    scope: `property/${property}`,
    detail: { number },
  }));
