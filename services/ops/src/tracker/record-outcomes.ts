import type { EnforcementRecorded } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';
import { standingRecord, withOutcome, type PropagationRow, type Settled, type StandingRecord } from './outcome-fold.ts';

const keyOf = (one: Pick<EnforcementRecorded, 'controller' | 'subjectKey' | 'recipient'>): string =>
  `${one.controller}\0${one.subjectKey}\0${one.recipient}`;

/**
 * Keeps the newest thing each recipient said of each person, for changes that are heard of later, and writes all of it to
 * the rows it speaks of. The subjects are locked by the caller. Returns what was settled, for the histograms.
 */
export async function recordOutcomes(tx: PoolClient, outcomes: readonly StandingRecord[]): Promise<Settled[]> {
  if (outcomes.length === 0) return [];
  const standing = await standingOf(tx, outcomes);
  const newest = new Map<string, StandingRecord>();
  for (const outcome of outcomes) {
    const key = keyOf(outcome);
    const before = newest.get(key) ?? standing.get(key);
    const record = standingRecord(before, outcome);
    if (record !== before) newest.set(key, record);
  }
  await keepStanding(tx, [...newest.values()]);
  return applyOutcomes(tx, outcomes);
}

async function standingOf(
  tx: PoolClient,
  outcomes: readonly EnforcementRecorded[],
): Promise<Map<string, StandingRecord>> {
  const { rows } = await tx.query<{ record: StandingRecord }>(
    `SELECT record FROM settlement
     WHERE (controller, subject_key, recipient) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))`,
    [
      outcomes.map(({ controller }) => controller),
      outcomes.map(({ subjectKey }) => subjectKey),
      outcomes.map(({ recipient }) => recipient),
    ],
  );
  return new Map(rows.map(({ record }) => [keyOf(record), record]));
}

async function keepStanding(tx: PoolClient, records: readonly StandingRecord[]): Promise<void> {
  if (records.length === 0) return;
  await tx.query(
    `INSERT INTO settlement (controller, subject_key, recipient, version, record)
     SELECT r->>'controller', r->>'subjectKey', r->>'recipient', (r->>'version')::bigint, r FROM jsonb_array_elements($1::jsonb) AS r
     ON CONFLICT (controller, subject_key, recipient) DO UPDATE SET version = excluded.version, record = excluded.record`,
    [JSON.stringify(records)],
  );
}

/** The same without keeping them: for what was said before its change was heard of. */
export async function applyOutcomes(tx: PoolClient, outcomes: readonly StandingRecord[]): Promise<Settled[]> {
  if (outcomes.length === 0) return [];
  const said = Map.groupBy(outcomes, keyOf);
  const rows = await concerned(tx, said);
  const changed: PropagationRow[] = [];
  const settled: Settled[] = [];
  for (const before of rows) {
    let row = before;
    const key = { controller: row.controller, subjectKey: row.subject_key, recipient: row.recipient };
    for (const outcome of said.get(keyOf(key as StandingRecord)) ?? []) {
      const result = withOutcome(row, outcome);
      if (result === null) continue;
      row = result.row;
      if (result.settled) settled.push(result.settled);
    }
    if (row !== before) changed.push(row);
  }
  await writePropagation(tx, changed);
  return settled;
}

/** Rows that one of these outcomes may speak of: open ones up to its version, and its own. */
async function concerned(
  tx: PoolClient,
  said: ReadonlyMap<string, readonly StandingRecord[]>,
): Promise<PropagationRow[]> {
  const keys = [...said.values()].map((outcomes) => ({
    controller: outcomes[0]!.controller,
    subject_key: outcomes[0]!.subjectKey,
    recipient: outcomes[0]!.recipient,
    newest: Math.max(...outcomes.map(({ version }) => version)),
    versions: [...new Set(outcomes.map(({ version }) => version))],
  }));
  const { rows } = await tx.query<{ row: PropagationRow }>(
    `SELECT to_jsonb(p) AS row
     FROM jsonb_to_recordset($1::jsonb) AS k(controller text, subject_key text, recipient text, newest bigint, versions jsonb)
     JOIN propagation p ON p.controller = k.controller AND p.subject_key = k.subject_key AND p.recipient = k.recipient
      AND p.version <= k.newest AND (p.settled_at IS NULL OR k.versions @> to_jsonb(p.version))
     ORDER BY p.controller, p.subject_key, p.recipient, p.version FOR UPDATE OF p`,
    [JSON.stringify(keys)],
  );
  return rows.map(({ row }) => row);
}

async function writePropagation(tx: PoolClient, rows: readonly PropagationRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `UPDATE propagation p SET state = n.state, outcome = n.outcome, reason = n.reason, consumed_at = n.consumed_at,
            attempts = n.attempts, accepted_at = n.accepted_at, confirmed_at = n.confirmed_at, settled_at = n.settled_at,
            error_ms = n.error_ms, contradicted_at = n.contradicted_at,
            visible_at = CASE WHEN n.settled_at IS NULL THEN NULL ELSE coalesce(n.visible_at, clock_timestamp()) END
     FROM jsonb_populate_recordset(NULL::propagation, $1::jsonb) AS n
     WHERE p.controller = n.controller AND p.subject_key = n.subject_key AND p.recipient = n.recipient AND p.version = n.version`,
    [JSON.stringify(rows)],
  );
}
