import type { Intent } from '../step/decision.ts';

/** Opens a parcel; for the egress alone, at the write. The index of this library exports the type only. */
export let payloadOf: <T>(item: Shareable<T>) => T;
/** Makes a parcel; for the gate alone. */
export let sealShareable: <T>(intent: Intent, payload: T) => Shareable<T>;

/**
 * Data on its way out, closed until the gate allows it (GATE-5). Partner code can hold and order these but not read them,
 * and nothing else is accepted by the egress, so a forgotten check does not compile.
 */
export class Shareable<T> {
  readonly intent: Intent;
  readonly #payload: T;

  private constructor(intent: Intent, payload: T) {
    this.intent = intent;
    this.#payload = payload;
  }

  static {
    payloadOf = (item) => item.#payload;
    sealShareable = (intent, payload) => new Shareable(intent, payload);
  }
}
