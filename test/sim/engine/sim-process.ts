/** What a process has of its own: a life that can end, pauses, and clocks that are wrong in their own way. */
export class SimProcess {
  readonly name: string;
  /** Counts starts: what was scheduled for an earlier life never happens. */
  life = 0;
  alive = false;
  /** SIGSTOP until this virtual instant. */
  pausedUntil = 0;
  /** Wall clock minus true time, milliseconds; stepped by the nemesis. */
  wallOffsetMs = 0;
  /** Parts of one by which both clocks run fast. */
  drift = 0;

  constructor(name: string) {
    this.name = name;
  }
}
