import type { Pool } from '@entente/postgres';

/** What the notifier needs of a logger. */
interface HintLog {
  debug(fields: object, message: string): void;
}

interface Hint {
  underWay: boolean;
  again: boolean;
}

const hints = new WeakMap<Pool, Hint>();

/** Least time between two hints of one process. */
const hintGapMs = 1;

/**
 * Without a transaction around it, and without waiting for the disk: NOTIFY inside the writing transaction would
 * serialise all commits of the database (kafka-on-node.md §4.3).
 */
const hintSql = `SELECT set_config('synchronous_commit', 'off', true), pg_notify(current_schema() || '_outbox', '')`;

/**
 * Tells the relays, after a commit, that there are rows to publish. Returns at once; calls made while a hint is under way
 * become one more. It is only a hint: a relay that misses it finds the rows at its next poll.
 */
export function notifyOutbox(pool: Pool, log: HintLog): void {
  const hint = hints.get(pool) ?? { underWay: false, again: false };
  hints.set(pool, hint);
  if (hint.underWay) {
    hint.again = true;
    return;
  }
  hint.underWay = true;
  pool
    .query(hintSql)
    .catch((err: unknown) => log.debug({ err }, 'outbox hint not sent'))
    .finally(() => {
      setTimeout(() => {
        hint.underWay = false;
        if (!hint.again) return;
        hint.again = false;
        notifyOutbox(pool, log);
      }, hintGapMs);
    });
}
