import { setTimeout as pause } from 'node:timers/promises';
import { createPool } from '@entente/postgres';

interface Unfinished {
  readonly unpublished: number;
  readonly unnumbered: number;
  readonly unsettled: number;
  readonly unseen: number;
}

const question = `SELECT
  (SELECT count(*)::int FROM consent.outbox) AS unpublished,
  (SELECT count(*)::int FROM consent.ledger_pending) AS unnumbered,
  (SELECT count(*)::int FROM ops.propagation WHERE settled_at IS NULL AND state <> 'parked') AS unsettled,
  (SELECT count(*)::int FROM consent.ledger_entry e WHERE NOT EXISTS (
     SELECT FROM ops.change c WHERE c.controller = e.controller AND c.subject_key = e.subject_key AND c.version = e.version)) AS unseen`;

/** Waits until nothing is on its way any more. @returns milliseconds it took, or what was left after `withinMs` */
export async function quiesce(databaseUrl: string, withinMs: number): Promise<number | Unfinished> {
  const pool = createPool({ url: databaseUrl, schema: 'public', name: 'fault-run', max: 1 });
  const began = performance.now();
  try {
    for (;;) {
      const { rows } = await pool.query<Unfinished>(question);
      const [left] = rows;
      if (left && Object.values(left).every((count) => count === 0)) return performance.now() - began;
      if (performance.now() - began > withinMs)
        return left ?? { unpublished: 0, unnumbered: 0, unsettled: 0, unseen: 0 };
      await pause(250);
    }
  } finally {
    await pool.end();
  }
}
