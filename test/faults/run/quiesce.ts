import { setTimeout as pause } from 'node:timers/promises';
import { stackRecipients } from '@entente/local';
import { createPool } from '@entente/postgres';
import type { World } from './world.ts';

interface Unfinished {
  readonly unpublished: number;
  readonly unnumbered: number;
  readonly unsettled: number;
  readonly unseen: number;
}

const question = `SELECT
  (SELECT count(*)::int FROM consent.outbox) AS unpublished,
  (SELECT count(*)::int FROM consent.ledger_pending) AS unnumbered,
  (SELECT count(*)::int FROM ops.propagation WHERE settled_at IS NULL) AS unsettled,
  (SELECT count(*)::int FROM consent.ledger_entry e WHERE NOT EXISTS (
     SELECT FROM ops.change c WHERE c.controller = e.controller AND c.subject_key = e.subject_key AND c.version = e.version)) AS unseen`;

/** Between two looks, and between two times at which an operator tries again what was parked. */
const lookMs = 250;
const replayMs = 5_000;

/**
 * Waits until nothing is on its way any more. What was parked meanwhile is tried again, as a person who was alerted would do
 * once the fault is gone. @returns milliseconds it took, or what was left after `withinMs`
 */
export async function quiesce({ databaseUrl, stack }: World, withinMs: number): Promise<number | Unfinished> {
  const pool = createPool({ url: databaseUrl(), schema: 'public', name: 'fault-run', max: 1 });
  const operator = stack.client('operator');
  const began = performance.now();
  let replayAt = began;
  try {
    for (;;) {
      const { rows } = await pool.query<Unfinished>(question);
      const [left] = rows;
      if (left && Object.values(left).every((count) => count === 0)) return performance.now() - began;
      if (performance.now() - began > withinMs)
        return left ?? { unpublished: 0, unnumbered: 0, unsettled: 0, unseen: 0 };
      if (performance.now() >= replayAt) {
        replayAt = performance.now() + replayMs;
        for (const { recipient } of stackRecipients)
          await operator.ops('/v1/parked/replay', { recipient, dryRun: false });
      }
      await pause(lookMs);
    }
  } finally {
    await pool.end();
  }
}
