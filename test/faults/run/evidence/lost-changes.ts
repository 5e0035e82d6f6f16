import { createPool } from '@entente/postgres';
import type { DbChange, DbLedger, HistoryEvent } from '../../checker/index.ts';
import { changeOf } from './ledger-rows.ts';

/** So many of its newest entries are looked at: more than any primary can commit while nobody acknowledges. */
const looked = 5_000;

interface Row {
  readonly change_id: string;
  readonly entry: string;
  readonly committed_ms: number;
}

/**
 * What a deposed primary committed and its successor never had: lost unless a restore has merged it back (RST-4). It may have
 * been seen, and must not have been answered.
 */
export async function readLostChanges(deposedUrl: string, successorUrl: string): Promise<DbChange[]> {
  const rows = await ask<Row>(
    deposedUrl,
    `SELECT change_id, entry, extract(epoch FROM coalesce(pg_xact_commit_timestamp(xmin), committed_at)) * 1000 AS committed_ms
       FROM consent.ledger_entry ORDER BY id DESC LIMIT ${looked}`,
    [],
  );
  const held = await ask<{ change_id: string }>(
    successorUrl,
    'SELECT change_id FROM consent.ledger_entry WHERE change_id = ANY ($1::uuid[])',
    [rows.map(({ change_id }) => change_id)],
  );
  const known = new Set(held.map(({ change_id }) => change_id));
  return rows
    .filter(({ change_id }) => !known.has(change_id))
    .map(({ entry, committed_ms }) => ({ ...changeOf(entry, Number(committed_ms)), lost: true }));
}

async function ask<R extends object>(url: string, statement: string, values: readonly unknown[]): Promise<R[]> {
  const pool = createPool({ url, schema: 'public', name: 'fault-run', max: 1 });
  try {
    return (await pool.query<R>(statement, [...values])).rows;
  } finally {
    await pool.end();
  }
}

/**
 * Lost changes are none where a later entry of the person makes good for them: they count as committed and as in the ledger, as
 * RST-4 has it.
 */
export function withoutRestored(events: readonly HistoryEvent[]): HistoryEvent[] {
  const upTo = new Map<string, number>();
  for (const event of events)
    if (event.kind === 'db.change' && event.restored !== undefined) {
      const person = `${event.controller} ${event.subject}`;
      upTo.set(person, Math.max(upTo.get(person) ?? 0, event.restored));
    }
  return events.flatMap((event): HistoryEvent[] => {
    if (event.kind !== 'db.change' || event.lost === undefined) return [event];
    const { lost: _lost, ...change } = event;
    if ((upTo.get(`${change.controller} ${change.subject}`) ?? 0) < change.version) return [event];
    const { at, controller, subject, version } = change;
    const entry: DbLedger = { kind: 'db.ledger', at, controller, subject, version };
    return [change, entry];
  });
}
