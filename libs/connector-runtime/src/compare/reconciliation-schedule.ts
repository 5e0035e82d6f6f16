import type { RecipientId } from '@entente/contracts';
import type { Clock, Logger } from '@entente/observability';
import type { ReconciliationReports } from '../store/reconciliation-reports.ts';
import type { PartnerComparison } from './partner-comparison.ts';

/** How often it is looked at the reports, which say when each recipient was compared last, by whatever process. */
const lookEveryMs = 30_000;
/** A recipient never compared is, this long after the start at the latest. */
const firstAfterMs = 300_000;

export interface ReconciliationScheduleOptions {
  /** Recipients that can be read. */
  readonly comparisons: ReadonlyMap<RecipientId, PartnerComparison>;
  readonly reports: ReconciliationReports;
  /** 0 = never by itself. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Compares each readable recipient in turn, so that at most one comparison of this process burdens the database. */
export class ReconciliationSchedule {
  readonly #options: ReconciliationScheduleOptions;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #looking = false;

  constructor(options: ReconciliationScheduleOptions) {
    this.#options = options;
  }

  start(): void {
    const { everyMs, clock, comparisons, log } = this.#options;
    if (everyMs === 0 || comparisons.size === 0) return;
    this.#startedAt = clock.monotonic();
    this.#timer = setInterval(
      () => {
        this.look().catch((err: unknown) => log.warn({ err }, 'comparisons with partners cannot begin; trying again'));
      },
      Math.min(lookEveryMs, everyMs),
    );
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  /** Recipients that can be read. */
  get recipients(): readonly RecipientId[] {
    return [...this.#options.comparisons.keys()];
  }

  /** On demand. @returns the run's id; null while one runs already; undefined when this recipient cannot be read */
  async now(recipient: RecipientId, dryRun = false): Promise<string | null | undefined> {
    const comparison = this.#options.comparisons.get(recipient);
    if (comparison === undefined) return undefined;
    const run = await comparison.begin('operator', this.#stop.signal, dryRun);
    if (run !== null) void this.#keep(run.ended);
    return run?.id ?? null;
  }

  /** Compares whoever is due. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      for (const [recipient, comparison] of this.#options.comparisons) {
        if (this.#stop.signal.aborted || !(await this.#isDue(recipient))) continue;
        const run = await comparison.begin('schedule', this.#stop.signal);
        if (run !== null) await this.#keep(run.ended);
      }
    } finally {
      this.#looking = false;
    }
  }

  async #isDue(recipient: RecipientId): Promise<boolean> {
    const { reports, everyMs, clock } = this.#options;
    const since = await reports.sinceNewestMs(recipient);
    return since === null ? clock.monotonic() - this.#startedAt >= Math.min(everyMs, firstAfterMs) : since >= everyMs;
  }

  /** A run ends in its report, whatever becomes of it. */
  #keep(run: Promise<void>): Promise<void> {
    this.#running.add(run);
    return run.finally(() => this.#running.delete(run));
  }
}
