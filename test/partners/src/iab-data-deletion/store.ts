import type { Deed } from '../partner.ts';

interface Requested {
  readonly jti: string;
  /** By the vendor's clock. */
  readonly acceptedMs: number;
  deleted: boolean;
}

/** Deletions by identifier: requested when acknowledged, done in a separate flow later; a fold over effects. */
export class DeletionStore {
  readonly #requests = new Map<string, Requested>();

  apply(effect: Deed): void {
    const { acceptedMs, jti } = effect.detail ?? {};
    for (const identifier of effect.identifiers) {
      const known = this.#requests.get(identifier);
      if (effect.what === 'deleted' && known !== undefined) known.deleted = true;
      if (effect.what === 'accepted' && known?.jti !== jti)
        this.#requests.set(identifier, { jti: String(jti), acceptedMs: Number(acceptedMs), deleted: false });
    }
  }

  due(beforeMs: number): readonly Deed[] {
    return [...this.#requests]
      .filter(([, { acceptedMs, deleted }]) => !deleted && acceptedMs <= beforeMs)
      .map(([identifier]) => ({ what: 'deleted', identifiers: [identifier], scope: 'person' }));
  }

  state(id?: string): unknown {
    if (id === undefined) return { requests: this.#requests.size };
    const known = this.#requests.get(id);
    return { identifier: id, requested: known !== undefined, deleted: known?.deleted ?? false };
  }
}
