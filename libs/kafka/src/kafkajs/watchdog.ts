/** How often progress is looked at, ms. */
const tickMs = 500;
/**
 * Looks at a fetch without an answer before the connection counts as dead. Counted in looks, not on a clock, so that a process
 * that was stopped and goes on does not blame Kafka for its own sleep.
 */
const patience = 8;

/** Notices a fetch that never answers (half-open TCP): kafkajs would let every retry time out for minutes. */
export class Watchdog {
  private readonly looks = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  private readonly onStall: (nodeId: string) => void;

  constructor(onStall: (nodeId: string) => void) {
    this.onStall = onStall;
  }

  start(): void {
    this.timer ??= setInterval(() => this.look(), tickMs);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.looks.clear();
  }

  began(nodeId: string): void {
    this.looks.set(nodeId, 0);
  }

  ended(nodeId: string): void {
    this.looks.delete(nodeId);
  }

  look(): void {
    for (const [nodeId, looks] of this.looks) {
      if (looks >= patience) this.onStall(nodeId);
      else this.looks.set(nodeId, looks + 1);
    }
  }
}
