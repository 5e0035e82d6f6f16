import type { Clock, Logger, Metrics } from '@entente/observability';
import { databaseClock, inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import { uncountedLeaks, type CountedLeak } from '../leaks/leak-rows.ts';
import { replaySends } from '../leaks/replay-sends.ts';
import { judgeDeadline, type Judged } from './judge-deadlines.ts';
import { lookAtBacklogs } from './look-at-backlogs.ts';
import { closeByLease, forgetOldStarts } from './record-gates.ts';
import { deadlines } from './track.ts';
import type { Tracker } from './tracker.ts';

const everyMs = 500;
/** What a connector said in time may still wait to be read, after an outage of our own: it is waited for this long at most. */
const unreadGraceMs = 300_000;
/** One sweeper at a time among all ops instances, so that each deadline is counted once. */
const sweeperLock = 7_205_001;

/** What time alone changes: gates closed by their lease's end, deadlines that pass, backlogs that age, the host clock's error. */
export class Sweeper {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private upToDateAt: number | null = null;

  constructor(
    private readonly pool: Pool,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly metrics: Metrics,
    private readonly tracker: Pick<Tracker, 'caughtUp' | 'upToDate' | 'horizon'>,
  ) {}

  start(): void {
    const turn = (): void => {
      this.running = this.sweep()
        .catch((err: unknown) => this.log.warn({ err }, 'sweep failed; the next one follows'))
        .then(() => {
          if (this.timer) this.timer = setTimeout(turn, everyMs);
        });
    };
    this.timer = setTimeout(turn, 0);
  }

  async stop(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.running;
  }

  private async sweep(): Promise<void> {
    const { offsetMs } = await databaseClock(this.pool, this.clock, 1);
    this.metrics.gauge('consent_clock_skew_seconds').set(offsetMs / 1000);
    await this.tracker.horizon.store(this.pool);
    const judged: Judged[] = [];
    const leaks: CountedLeak[] = [];
    await inTransaction(this.pool, async (tx) => {
      judged.length = leaks.length = 0;
      const { rows } = await tx.query<{ mine: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS mine', [sweeperLock]);
      if (!rows[0]?.mine) return;
      await closeByLease(tx);
      await this.replaySends(tx);
      leaks.push(...(await uncountedLeaks(tx)));
      await forgetOldStarts(tx);
      await lookAtBacklogs(tx);
      const graceMs = this.sinceUpToDateMs();
      for (const [index, limit] of deadlines.entries())
        judged.push(...(await judgeDeadline(tx, { index, ...limit, graceMs })));
    });
    // After the commit: what was rolled back is judged, and counted, again.
    for (const { recipient, detector } of leaks)
      this.metrics.counter('consent_leaks_total').inc({ connector: recipient, detector });
    for (const { recipient, ...rest } of judged)
      this.metrics.counter('consent_deadline_checks_total').inc({ connector: recipient, ...rest });
  }

  /** Everything said before that moment has been read, so deadlines that had passed by then can be judged. */
  private sinceUpToDateMs(): number {
    const now = this.clock.monotonic();
    if (this.tracker.upToDate()) this.upToDateAt = now;
    return this.upToDateAt === null ? unreadGraceMs : Math.min(unreadGraceMs, now - this.upToDateAt);
  }

  private async replaySends(tx: PoolClient): Promise<void> {
    const { rows } = await tx.query<{ now: Date }>(`SELECT clock_timestamp() - interval '5 seconds' AS now`);
    // The time first, then the look: what was received well before it is behind everything read by then.
    if (rows[0] && this.tracker.caughtUp()) await replaySends(tx, rows[0].now);
  }
}
