import type { ConsentChanged } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';
import { closeGates } from './record-gates.ts';
import type { Settled, StandingRecord } from './outcome-fold.ts';
import { applyOutcomes } from './record-outcomes.ts';

/** A change as either log carried it; `publishedAt` is the broker's append time in milliseconds. */
export interface SeenChange {
  readonly changeId: string;
  readonly publishedAtMs: number;
  readonly change: ConsentChanged;
}

/** What was new, and what an outcome that came first has settled of it: the fastest of all, which the histograms need too. */
interface Recorded {
  readonly changes: readonly SeenChange[];
  readonly settled: readonly Settled[];
}

const granted = (change: ConsentChanged): string[] =>
  Object.entries(change.vector).flatMap(([purpose, state]) => (state.decision === 'granted' ? [purpose] : []));

/** One key names one row; of several copies in a batch the first counts. */
function firstOf(seen: readonly SeenChange[]): SeenChange[] {
  const unique = new Map<string, SeenChange>();
  for (const one of seen) {
    const key = `${one.change.controller}\0${one.change.subjectKey}\0${one.change.version}`;
    if (!unique.has(key)) unique.set(key, one);
  }
  return [...unique.values()];
}

/**
 * Writes the changes that are new (both logs carry a denial, restarts repeat) and, for those that deny, one row per
 * expected recipient; then applies what gates and connectors said before we heard of the change itself.
 */
export async function recordChanges(tx: PoolClient, seen: readonly SeenChange[]): Promise<Recorded> {
  const rows = firstOf(seen);
  if (rows.length === 0) return { changes: [], settled: [] };
  const inserted = await tx.query<{ change_id: string }>(
    `INSERT INTO change (controller, subject_key, version, change_id, direction, purposes, granted, committed_at, published_at, canary)
     SELECT r.controller, r.subject_key, r.version, r.change_id, r.direction,
            ARRAY(SELECT jsonb_array_elements_text(r.purposes)), ARRAY(SELECT jsonb_array_elements_text(r.granted)),
            r.committed_at, to_timestamp(r.published_ms / 1000.0),
            EXISTS (SELECT FROM canary k WHERE k.controller = r.controller AND k.subject_key = r.subject_key)
     FROM jsonb_to_recordset($1::jsonb) AS r(controller text, subject_key text, version bigint, change_id uuid, direction text,
          purposes jsonb, granted jsonb, committed_at timestamptz, published_ms double precision)
     ON CONFLICT DO NOTHING RETURNING change_id`,
    [
      JSON.stringify(
        rows.map(({ changeId, publishedAtMs, change }) => ({
          controller: change.controller,
          subject_key: change.subjectKey,
          version: change.version,
          change_id: changeId,
          direction: change.direction,
          purposes: change.changes.map(({ purpose }) => purpose),
          granted: granted(change),
          committed_at: change.committedAt,
          published_ms: publishedAtMs,
        })),
      ),
    ],
  );
  const fresh = new Set(inserted.rows.map(({ change_id }) => change_id));
  const added = rows.filter(({ changeId }) => fresh.has(changeId));
  const denials = added.filter(({ change }) => change.direction === 'deny');
  await expectRecipients(tx, denials);
  const settled = await settleEarly(tx, denials);
  await closeGates(
    tx,
    denials.map(({ change }) => change),
  );
  return { changes: added, settled };
}

async function expectRecipients(tx: PoolClient, denials: readonly SeenChange[]): Promise<void> {
  const rows = denials.flatMap(({ change }) => change.recipients.map((recipient) => ({ change, recipient })));
  if (rows.length === 0) return;
  // Whoever is expected to answer is shown, though its catalogue has not been read yet.
  await tx.query(
    `INSERT INTO recipient (controller, id, name, kind, active)
     SELECT DISTINCT controller, id, id, 'unknown', true FROM unnest($1::text[], $2::text[]) AS r(controller, id)
     ORDER BY controller, id ON CONFLICT DO NOTHING`,
    [rows.map(({ change }) => change.controller), rows.map(({ recipient }) => recipient)],
  );
  await tx.query(
    `INSERT INTO propagation (controller, subject_key, version, recipient, committed_at, canary)
     SELECT e.*, EXISTS (SELECT FROM canary k WHERE k.controller = e.controller AND k.subject_key = e.subject_key)
     FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[])
       AS e(controller, subject_key, version, recipient, committed_at) ON CONFLICT DO NOTHING`,
    [
      rows.map(({ change }) => change.controller),
      rows.map(({ change }) => change.subjectKey),
      rows.map(({ change }) => change.version),
      rows.map(({ recipient }) => recipient),
      rows.map(({ change }) => change.committedAt),
    ],
  );
}

async function settleEarly(tx: PoolClient, denials: readonly SeenChange[]): Promise<Settled[]> {
  if (denials.length === 0) return [];
  const { rows } = await tx.query<{ record: StandingRecord }>(
    `SELECT s.record FROM settlement s
     JOIN unnest($1::text[], $2::text[]) AS k(controller, subject_key) USING (controller, subject_key)`,
    [denials.map(({ change }) => change.controller), denials.map(({ change }) => change.subjectKey)],
  );
  return applyOutcomes(
    tx,
    rows.map(({ record }) => record),
  );
}
