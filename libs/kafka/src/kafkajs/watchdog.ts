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
  private held = false;
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

  /** While the group is joined anew, in the middle of a fetch: that has limits of its own, and waits for others. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    for (const nodeId of this.looks.keys()) this.looks.set(nodeId, 0);
  }

  began(nodeId: string): void {
    this.looks.set(nodeId, 0);
  }

  ended(nodeId: string): void {
    this.looks.delete(nodeId);
  }

  look(): void {
    if (this.held) return;
    for (const [nodeId, looks] of this.looks) {
      if (looks >= patience) this.onStall(nodeId);
      else this.looks.set(nodeId, looks + 1);
    }
  }
}
