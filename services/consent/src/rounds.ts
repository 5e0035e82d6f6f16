/** Work in the background, round by round: never two at once, a pause after each, and none after `stop`. */
export class Rounds {
  readonly #round: () => Promise<void>;
  readonly #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  /** @param round ends its own faults: what it threw would end the process */
  constructor(pauseMs: number, round: () => Promise<void>) {
    this.#pauseMs = pauseMs;
    this.#round = round;
  }

  /** A round that works off a backlog looks here before each part of it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  start(firstInMs = this.#pauseMs): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#round().finally(() => {
        if (!this.#stopped) this.start();
      });
    }, firstInMs);
  }

  /** Ends with the round that runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }
}
