import type { Pool } from '@entente/postgres';
import type { Lane } from './append.ts';

/** What the notifier needs of a logger. */
interface HintLog {
  debug(fields: object, message: string): void;
}

interface Hint {
  underWay: boolean;
  /** Lanes to tell of once it has ended. */
  readonly again: Set<Lane>;
}

const hints = new WeakMap<Pool, Hint>();

/** Least time between two hints of one process. */
const hintGapMs = 1;

/**
 * Without a transaction around it, and without waiting for the disk: NOTIFY inside the writing transaction would
 * serialise all commits of the database (kafka-on-node.md §4.3).
 */
const hintSql = `SELECT set_config('synchronous_commit', 'off', true), pg_notify(current_schema() || '_outbox', $1)`;

/**
 * Tells the relays, after a commit, that there are rows to publish, in which lanes. Returns at once; calls made while a hint
 * is under way become one more. It is only a hint: a relay that misses it finds the rows at its next poll.
 */
export function notifyOutbox(pool: Pool, log: HintLog, lanes: readonly Lane[]): void {
  const hint = hints.get(pool) ?? { underWay: false, again: new Set() };
  hints.set(pool, hint);
  if (hint.underWay) {
    for (const lane of lanes) hint.again.add(lane);
    return;
  }
  hint.underWay = true;
  pool
    .query(hintSql, [lanes.join(' ')])
    .catch((err: unknown) => log.debug({ err }, 'outbox hint not sent'))
    .finally(() => {
      setTimeout(() => {
        hint.underWay = false;
        const more = [...hint.again];
        hint.again.clear();
        if (more.length > 0) notifyOutbox(pool, log, more);
      }, hintGapMs);
    });
}
