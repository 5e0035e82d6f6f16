/** Which gate's clock was wrong when: what it says of times then is worth nothing. Milliseconds of the history's clock. */
export class WrongClocks {
  readonly #stretches: { readonly gate: string; readonly from: number; to: number }[] = [];

  /** @returns ends it */
  begin(gate: string, from: number): (to: number) => void {
    const stretch = { gate, from, to: Infinity };
    this.#stretches.push(stretch);
    return (to) => {
      stretch.to = to;
    };
  }

  wasWrong(gate: string, at: number): boolean {
    return this.#stretches.some((one) => one.gate === gate && one.from <= at && at <= one.to);
  }
}
