import type { ConsentChanged, EnforcementRecorded } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';
import { closeGates } from './record-gates.ts';
import { settle, type Standing } from './track.ts';

/** A change as either log carried it; `publishedAt` is the broker's append time in milliseconds. */
export interface SeenChange {
  readonly changeId: string;
  readonly publishedAtMs: number;
  readonly change: ConsentChanged;
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
export async function recordChanges(tx: PoolClient, seen: readonly SeenChange[]): Promise<SeenChange[]> {
  const rows = firstOf(seen);
  if (rows.length === 0) return [];
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
  await settleEarly(tx, denials);
  await closeGates(
    tx,
    denials.map(({ change }) => change),
  );
  return added;
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

async function settleEarly(tx: PoolClient, denials: readonly SeenChange[]): Promise<void> {
  if (denials.length === 0) return;
  const { rows } = await tx.query<{ record: EnforcementRecorded }>(
    `SELECT s.record FROM settlement s
     JOIN unnest($1::text[], $2::text[]) AS k(controller, subject_key) USING (controller, subject_key)`,
    [denials.map(({ change }) => change.controller), denials.map(({ change }) => change.subjectKey)],
  );
  for (const { record } of rows) await applyOutcome(tx, record);
}

/** Writes one outcome to the rows it speaks of; returns those it settled, for the histograms. */
export async function recordOutcome(tx: PoolClient, outcome: EnforcementRecorded): Promise<Settled[]> {
  await tx.query(
    `INSERT INTO settlement (controller, subject_key, recipient, version, record) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (controller, subject_key, recipient) DO UPDATE SET version = excluded.version,
       record = CASE WHEN settlement.version = excluded.version AND excluded.record->>'outcome' = 'confirmed'
                      AND settlement.record->>'outcome' IN ('accepted', 'confirmed')
                     THEN excluded.record || jsonb_build_object('acceptedAt',
                            coalesce(settlement.record->>'acceptedAt', settlement.record->>'at'))
                     ELSE excluded.record END
     WHERE settlement.version < excluded.version OR (settlement.version = excluded.version
       AND (settlement.record->>'at')::timestamptz <= (excluded.record->>'at')::timestamptz)`,
    [outcome.controller, outcome.subjectKey, outcome.recipient, outcome.version, JSON.stringify(outcome)],
  );
  return applyOutcome(tx, outcome);
}

export interface Settled {
  readonly recipient: string;
  /** Of nobody: measured apart. */
  readonly canary: boolean;
  readonly state: string;
  readonly propagationMs: number | null;
  readonly acceptDelayMs: number | null;
  /** From the commit to the confirmation; null when it is not confirmed. */
  readonly confirmedMs: number | null;
}

interface StandingRow {
  readonly canary: boolean;
  readonly version: number;
  readonly committed_at: Date;
  readonly settled_at: Date | null;
  readonly accepted_at: Date | null;
  readonly confirmed_at: Date | null;
  readonly contradicted_at: Date | null;
}

const iso = (time: Date | null): string | null => time?.toISOString() ?? null;

const standing = (row: StandingRow): Standing => ({
  version: row.version,
  settledAt: iso(row.settled_at),
  acceptedAt: iso(row.accepted_at),
  confirmedAt: iso(row.confirmed_at),
  contradictedAt: iso(row.contradicted_at),
});

async function applyOutcome(tx: PoolClient, outcome: EnforcementRecorded): Promise<Settled[]> {
  const { rows } = await tx.query<StandingRow>(
    `SELECT canary, version, committed_at, settled_at, accepted_at, confirmed_at, contradicted_at FROM propagation
     WHERE controller = $1 AND subject_key = $2 AND recipient = $3 AND version <= $4
       AND (settled_at IS NULL OR version = $4) FOR UPDATE`,
    [outcome.controller, outcome.subjectKey, outcome.recipient, outcome.version],
  );
  const settled: Settled[] = [];
  for (const row of rows) {
    const result = settle(standing(row), outcome);
    if (!result) continue;
    const own = row.version === outcome.version;
    const late = row.settled_at !== null;
    await tx.query(
      `UPDATE propagation SET state = $5, outcome = $6, reason = $7, consumed_at = coalesce(consumed_at, $9),
              -- Of a confirmation this counts the questions.
              attempts = CASE WHEN $6 = 'confirmed' THEN attempts ELSE $8 END,
              accepted_at = $10, confirmed_at = $11, settled_at = CASE WHEN $12::timestamptz IS NULL THEN NULL
                ELSE coalesce(settled_at, $12::timestamptz) END, error_ms = greatest(error_ms, $13),
              contradicted_at = coalesce($14::timestamptz, contradicted_at),
              visible_at = CASE WHEN $12::timestamptz IS NULL THEN NULL ELSE coalesce(visible_at, clock_timestamp()) END
       WHERE controller = $1 AND subject_key = $2 AND recipient = $3 AND version = $4`,
      [
        outcome.controller,
        outcome.subjectKey,
        outcome.recipient,
        row.version,
        result.state,
        own ? outcome.outcome : 'superseded',
        own ? (outcome.reason ?? null) : null,
        own ? outcome.attempts : 0,
        own ? (outcome.consumedAt ?? null) : null,
        result.acceptedAt,
        result.confirmedAt,
        result.settled ? outcome.at : null,
        outcome.clockErrorMs,
        result.contradictedAt ?? null,
      ],
    );
    if (result.settled) {
      // The acceptance of what was settled before has been measured already.
      const at = result.acceptedAt === null || late ? null : Date.parse(result.acceptedAt);
      const committed = row.committed_at.getTime();
      settled.push({
        recipient: outcome.recipient,
        canary: row.canary,
        state: result.state,
        propagationMs: at === null ? null : at - committed,
        acceptDelayMs: at === null || !outcome.consumedAt ? null : at - Date.parse(outcome.consumedAt),
        confirmedMs: result.confirmedAt === null ? null : Date.parse(result.confirmedAt) - committed,
      });
    }
  }
  return settled;
}
