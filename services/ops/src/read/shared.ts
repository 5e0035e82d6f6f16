/** Asked by many pages at once and answered once: a view is read at most every `freshMs`, however many look at it. */
export class Shared<T> {
  private held: { readonly view: Promise<T>; readonly atMs: number } | undefined;

  constructor(
    private readonly read: () => Promise<T>,
    private readonly monotonic: () => number,
    private readonly freshMs: number,
  ) {}

  get(): Promise<T> {
    const now = this.monotonic();
    if (this.held && now - this.held.atMs < this.freshMs) return this.held.view;
    const view = this.read();
    this.held = { view, atMs: now };
    view.catch(() => {
      // Not kept: who asks next asks the database again.
      if (this.held?.view === view) this.held = undefined;
    });
    return view;
  }
}
