/** Wakes one waiting loop; a ring while nobody waits is remembered. */
export class Bell {
  #rung = false;
  #waiting: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#waiting?.();
  }

  /** Until it rings, the time is up, or the signal aborts. Answers whether it rang. */
  async wait(ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#rung && !signal.aborted && ms > 0) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          this.#waiting = undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done, { once: true });
        this.#waiting = done;
      });
    }
    const rang = this.#rung;
    this.#rung = false;
    return rang;
  }
}

/** A pause that ends early when the signal aborts. */
export const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await new Bell().wait(ms, signal);
};
