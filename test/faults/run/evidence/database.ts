import type { ConsentChanged } from '@entente/contracts';
import { createPool, type Pool } from '@entente/postgres';
import type { HistoryEvent, TrackerRow, TrackerStatus, Vector } from '../../checker/index.ts';
import { monotonicMs, monotonicOfWall } from '../clock.ts';
import { changeOf, readingErrorMs, viewOf } from './ledger-rows.ts';

/** What stands in the database at rest, with the commit time of every change (`track_commit_timestamp`). */
export async function readDatabase(databaseUrl: string): Promise<HistoryEvent[]> {
  const pool = createPool({ url: databaseUrl, schema: 'public', name: 'fault-run', max: 1 });
  try {
    return [
      ...(await changes(pool)),
      ...(await states(pool)),
      ...(await outbox(pool)),
      ...(await trackerRows(pool)),
      ...(await deliveries(pool)),
    ];
  } finally {
    await pool.end();
  }
}

async function changes(pool: Pool): Promise<HistoryEvent[]> {
  const { rows } = await pool.query<{ entry: string; committed_ms: number; number: number | null }>(
    `SELECT e.entry, extract(epoch FROM pg_xact_commit_timestamp(e.xmin)) * 1000 AS committed_ms, c.number
     FROM consent.ledger_entry e LEFT JOIN consent.ledger_chain c ON c.entry_id = e.id ORDER BY e.id`,
  );
  const before = new Map<string, Vector>();
  return rows.flatMap(({ entry, committed_ms, number }) => {
    const change = changeOf(entry, Number(committed_ms));
    const { at, controller, subject, version, after } = change;
    const earlier = before.get(subject);
    before.set(subject, after);
    const event: HistoryEvent = { ...change, ...(earlier === undefined ? {} : { before: earlier }) };
    const numbers: HistoryEvent[] =
      number === null ? [] : [{ kind: 'db.ledger', at, controller, subject, version, number }];
    return [event, ...numbers];
  });
}

async function states(pool: Pool): Promise<HistoryEvent[]> {
  const { rows } = await pool.query<{
    controller: string;
    subject_key: string;
    version: number;
    vector: ConsentChanged['vector'];
  }>('SELECT controller, subject_key, version, vector FROM consent.subject WHERE version > 0');
  return rows.map(({ controller, subject_key: subject, version, vector }) => ({
    ...{ kind: 'db.state', at: monotonicMs(), controller, subject, version: Number(version) },
    vector: viewOf(vector),
  }));
}

async function outbox(pool: Pool): Promise<HistoryEvent[]> {
  const { rows } = await pool.query<{ payload: ConsentChanged; lane: number }>(
    `SELECT payload, lane FROM consent.outbox WHERE type = 'org.entente.consent.changed.v1'`,
  );
  return rows.map(({ payload: { controller, subjectKey: subject, version }, lane }) => ({
    ...{ kind: 'db.outbox', at: monotonicMs(), controller, subject, version },
    lane: lane === 0 ? 'urgent' : 'normal',
  }));
}

async function trackerRows(pool: Pool): Promise<TrackerRow[]> {
  const { rows } = await pool.query<{
    controller: string;
    subject_key: string;
    version: number;
    recipient: string;
    state: TrackerStatus;
    reason: string | null;
    gate_closed_at: Date | null;
    settled_at: Date | null;
    error_ms: number;
  }>(
    `SELECT controller, subject_key, version, recipient, state, reason, gate_closed_at, settled_at, error_ms FROM ops.propagation`,
  );
  return rows.map((row) => ({
    ...{ kind: 'tracker.row', at: monotonicMs(), dump: 1, controller: row.controller, subject: row.subject_key },
    ...{ version: Number(row.version), recipient: row.recipient, status: row.state },
    ...{ errorMs: row.error_ms + readingErrorMs, ...(row.reason === null ? {} : { reason: row.reason }) },
    ...(row.gate_closed_at === null ? {} : { gateClosedAt: monotonicOfWall(row.gate_closed_at.getTime()) }),
    ...(row.settled_at === null ? {} : { settledAt: monotonicOfWall(row.settled_at.getTime()) }),
  }));
}

const connectorSchemas = ['crm_connector', 'analytics_connector', 'ad_partner_connector'] as const;

async function deliveries(pool: Pool): Promise<HistoryEvent[]> {
  const each = await Promise.all(
    connectorSchemas.map(async (schema) => {
      const { rows } = await pool.query<{ controller: string; subject_key: string; version: number }>(
        `SELECT controller, subject_key, version FROM ${schema}.delivery WHERE version > 0`,
      );
      return rows.map(({ controller, subject_key: subject, version }): HistoryEvent => ({
        ...{ kind: 'store.state', at: monotonicMs(), store: `deliveries:${schema}` },
        ...{ controller, subject, version: Number(version) },
      }));
    }),
  );
  return each.flat();
}
