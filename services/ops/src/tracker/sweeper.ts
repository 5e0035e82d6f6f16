import type { Clock, Logger, Metrics } from '@entente/observability';
import { databaseClock, inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import { judgeExposures } from './record-exposures.ts';
import { closeByLease, forgetOldStarts } from './record-gates.ts';
import { deadlines, judge } from './track.ts';

const everyMs = 500;
/** Rows judged in one pass; a backlog is worked off pass by pass. */
const pageSize = 2_000;
/** One sweeper at a time among all ops instances, so that each deadline is counted once. */
const sweeperLock = 7_205_001;

/** What time alone changes: gates closed by their lease's end, deadlines that pass, the host clock's error. */
export class Sweeper {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly pool: Pool,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly metrics: Metrics,
    private readonly tracker: { caughtUp(): boolean },
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
    await inTransaction(this.pool, async (tx) => {
      const { rows } = await tx.query<{ mine: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS mine', [sweeperLock]);
      if (!rows[0]?.mine) return;
      await closeByLease(tx);
      await this.judgeExposures(tx);
      await forgetOldStarts(tx);
      for (const [index, limit] of deadlines.entries()) await this.judgeDeadline(tx, index, limit);
    });
  }

  private async judgeExposures(tx: PoolClient): Promise<void> {
    const { rows } = await tx.query<{ now: Date }>(`SELECT clock_timestamp() - interval '5 seconds' AS now`);
    // The time first, then the look: what was received well before it is behind everything read by then.
    if (!rows[0] || !this.tracker.caughtUp()) return;
    for (const { recipient } of await judgeExposures(tx, rows[0].now))
      this.metrics.counter('consent_leaks_total').inc({ connector: recipient, detector: 'egress_audit' });
  }

  private async judgeDeadline(tx: PoolClient, index: number, limit: (typeof deadlines)[number]): Promise<void> {
    const { rows } = await tx.query<{ recipient: string; settled_ms: number | null; consumed_ms: number | null }>(
      `WITH due AS (
         SELECT ctid FROM propagation WHERE deadlines_judged = $1 AND committed_at < clock_timestamp() - make_interval(secs => $2 / 1000.0)
         LIMIT $3 FOR UPDATE)
       UPDATE propagation p SET deadlines_judged = $1 + 1 FROM due WHERE p.ctid = due.ctid
       RETURNING p.recipient, (extract(epoch FROM p.settled_at - p.committed_at) * 1000)::float8 AS settled_ms,
                 (extract(epoch FROM p.consumed_at - p.committed_at) * 1000)::float8 AS consumed_ms`,
      [index, limit.ms, pageSize],
    );
    for (const row of rows) {
      const { result, blame } = judge(limit.ms, row.settled_ms, row.consumed_ms);
      this.metrics
        .counter('consent_deadline_checks_total')
        .inc({ connector: row.recipient, within: limit.within, result, blame });
    }
  }
}
