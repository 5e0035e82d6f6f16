import type { Deed } from './partner.ts';

/** One person of an accepted request, until the run that takes it in. */
interface Pending {
  readonly id: number;
  readonly audience: string;
  readonly adding: boolean;
  readonly identifiers: readonly string[];
  /** By the partner's clock. */
  readonly acceptedMs: number;
}

/**
 * Members per audience, by identifier, for partners that accept now and take effect in a later run; and what waits for it.
 * A fold over effects: `accepted` with `detail: {adding, acceptedMs}`, then `added` or `removed`.
 */
export class BatchedAudiences {
  readonly #members = new Map<string, Set<string>>();
  readonly #pending = new Map<number, Pending>();
  #accepted = 0;

  constructor(audiences: readonly string[]) {
    for (const audience of audiences) this.#members.set(audience, new Set());
  }

  knows(audience: string): boolean {
    return this.#members.has(audience);
  }

  apply(effect: Deed): void {
    const audience = effect.scope.split('/')[1] ?? '';
    const { identifiers, detail = {} } = effect;
    const members = this.#members.get(audience) ?? new Set<string>();
    this.#members.set(audience, members);
    if (effect.what === 'accepted') {
      const id = (this.#accepted += 1);
      const { adding, acceptedMs } = detail;
      this.#pending.set(id, { id, audience, adding: adding === true, identifiers, acceptedMs: Number(acceptedMs) });
      return;
    }
    this.#pending.delete(Number(detail['id']));
    for (const identifier of identifiers) {
      if (effect.what === 'added') members.add(identifier);
      if (effect.what === 'removed') members.delete(identifier);
    }
  }

  /** What the runs up to then do, in the order it was accepted; removing what is not there is no error. */
  due(beforeMs: number): readonly Deed[] {
    return [...this.#pending.values()]
      .filter(({ acceptedMs }) => acceptedMs <= beforeMs)
      .map(({ id, audience, adding, identifiers }) => ({
        what: adding ? 'added' : 'removed',
        identifiers,
        scope: `audience/${audience}`,
        detail: { id },
      }));
  }

  state(id?: string): unknown {
    const all = [...this.#members];
    if (id !== undefined)
      return { identifier: id, audiences: all.filter(([, held]) => held.has(id)).map(([audience]) => audience) };
    return {
      audiences: Object.fromEntries(all.map(([audience, held]) => [audience, [...held]])),
      pending: this.#pending.size,
    };
  }
}
