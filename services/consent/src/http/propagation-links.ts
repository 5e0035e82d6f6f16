/** Where the ops service shows how far a change has come. */
export class PropagationLinks {
  readonly #opsUrl: string;

  constructor(opsUrl: string) {
    this.#opsUrl = opsUrl.replace(/\/+$/, '');
  }

  of(changeId: string): { propagation: string } {
    return { propagation: `${this.#opsUrl}/v1/propagations/${changeId}` };
  }
}
