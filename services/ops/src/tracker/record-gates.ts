import type { ConsentChanged, GateBeat, GateConfirmed, GateSignedOff } from '@entente/contracts';
import { timing } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

/** A start that has not been heard of for this long guards nothing any more: its last lease is over. */
const startForgottenMs = 2 * timing.maxStalenessMs;

export async function recordBeats(tx: PoolClient, beats: readonly { beat: GateBeat; atMs: number }[]): Promise<void> {
  const newest = new Map(beats.map((one) => [one.beat.start, one]));
  for (const { beat, atMs } of newest.values())
    await tx.query(
      `INSERT INTO gate_start (start_id, gate, controller, recipients, first_beat_at, last_beat_at)
       VALUES ($1, $2, $3, $4, to_timestamp($5 / 1000.0), to_timestamp($5 / 1000.0))
       ON CONFLICT (start_id) DO UPDATE SET recipients = excluded.recipients, last_beat_at = greatest(gate_start.last_beat_at, excluded.last_beat_at)`,
      [beat.start, beat.gate, beat.controller, [...beat.recipients], atMs],
    );
}

export const recordSignOff = (tx: PoolClient, { ended }: GateSignedOff): Promise<void> =>
  forget(tx, 'start_id = $1', [ended]);

/** A confirmation counts for its start and for every version up to the one named (GATE-6). */
export async function recordConfirmations(tx: PoolClient, records: readonly GateConfirmed[]): Promise<void> {
  if (records.length === 0) return;
  const newest = new Map<string, Confirmation>();
  for (const one of records.flatMap(confirmations)) {
    const key = `${one.controller}\0${one.subjectKey}\0${one.start}`;
    if ((newest.get(key)?.version ?? 0) < one.version) newest.set(key, one);
  }
  const confirmed = [...newest.values()];
  await tx.query(
    `INSERT INTO gate_confirmation (controller, subject_key, start_id, version, closed_at, error_ms)
     SELECT k.controller, k.subject_key, k.start_id, k.version, to_timestamp(k.closed_ms / 1000.0), k.error_ms
     FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::double precision[], $6::double precision[])
       AS k(controller, subject_key, start_id, version, closed_ms, error_ms)
     ON CONFLICT (controller, subject_key, start_id) DO UPDATE
     SET version = excluded.version, closed_at = excluded.closed_at, error_ms = excluded.error_ms
     WHERE gate_confirmation.version < excluded.version`,
    [
      confirmed.map(({ controller }) => controller),
      confirmed.map(({ subjectKey }) => subjectKey),
      confirmed.map(({ start }) => start),
      confirmed.map(({ version }) => version),
      confirmed.map(({ closedMs }) => closedMs),
      confirmed.map(({ errorMs }) => errorMs),
    ],
  );
  await tx.query('UPDATE gate_start SET last_confirmed_at = clock_timestamp() WHERE start_id = ANY ($1)', [
    [...new Set(confirmed.map(({ start }) => start))],
  ]);
  await closeGates(tx, confirmed);
}

interface Confirmation extends Pick<ConsentChanged, 'controller' | 'subjectKey' | 'version'> {
  readonly start: GateConfirmed['start'];
  /** Database time, milliseconds since the Unix epoch, and how far off it may be. */
  readonly closedMs: number;
  readonly errorMs: number;
}

const confirmations = ({ controller, start, confirmed, clock }: GateConfirmed): Confirmation[] =>
  confirmed.map(({ subjectKey, version, closedAt }) => ({
    ...{ controller, subjectKey, version, start },
    closedMs: Date.parse(closedAt) - (clock?.offsetMs ?? 0),
    errorMs: clock?.errorMs ?? timing.maxStalenessMs,
  }));

/**
 * t4: a recipient's gate is closed for a change when every live start that guards the recipient has confirmed the
 * version or a newer one. Never later than the commit plus `maxStaleness`: by then a start that did not confirm has no
 * lease (`closeByLease`).
 */
export async function closeGates(
  tx: PoolClient,
  keys: readonly Pick<ConsentChanged, 'controller' | 'subjectKey' | 'version'>[],
): Promise<void> {
  const newest = new Map<string, (typeof keys)[number]>();
  for (const key of keys) {
    const subject = `${key.controller}\0${key.subjectKey}`;
    if ((newest.get(subject)?.version ?? 0) < key.version) newest.set(subject, key);
  }
  const subjects = [...newest.values()];
  if (subjects.length === 0) return;
  await tx.query(
    `UPDATE propagation p SET gate_closed_at = c.closed_at, gate_closed_by = 'confirmation', error_ms = greatest(p.error_ms, c.error_ms)
     FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(controller, subject_key, version)
     CROSS JOIN LATERAL (
       SELECT max(greatest(g.closed_at, q.committed_at)) AS closed_at, max(g.error_ms) AS error_ms, q.recipient, q.version,
              bool_and(g.start_id IS NOT NULL) AS complete
       FROM propagation q
       JOIN gate_start s ON s.controller = q.controller AND q.recipient = ANY (s.recipients)
            AND s.last_beat_at > q.committed_at - make_interval(secs => $4 / 1000.0)
       LEFT JOIN gate_confirmation g ON g.controller = q.controller AND g.subject_key = q.subject_key
            AND g.start_id = s.start_id AND g.version >= q.version
       WHERE q.controller = k.controller AND q.subject_key = k.subject_key AND q.version <= k.version AND q.gate_closed_at IS NULL
       GROUP BY q.recipient, q.version
     ) c
     WHERE p.controller = k.controller AND p.subject_key = k.subject_key AND p.recipient = c.recipient AND p.version = c.version
       AND p.gate_closed_at IS NULL AND c.complete`,
    [
      subjects.map((k) => k.controller),
      subjects.map((k) => k.subjectKey),
      subjects.map((k) => k.version),
      startForgottenMs,
    ],
  );
}

/** Gates that did not confirm in time are closed by their lease's end. Returns how many rows that concerned. */
export async function closeByLease(tx: PoolClient): Promise<number> {
  const { rowCount } = await tx.query(
    `UPDATE propagation SET gate_closed_at = committed_at + make_interval(secs => $1 / 1000.0), gate_closed_by = 'lease'
     WHERE gate_closed_at IS NULL AND committed_at < clock_timestamp() - make_interval(secs => $2 / 1000.0)`,
    [timing.maxStalenessMs, timing.maxStalenessMs + leaseGraceMs],
  );
  return rowCount ?? 0;
}

/** Confirmations still on their way are waited for a little, so that the exact time is shown where it is known. */
const leaseGraceMs = 3_000;

/** Rows that can say nothing any more. */
export const forgetOldStarts = (tx: PoolClient): Promise<void> =>
  forget(tx, `last_beat_at < clock_timestamp() - interval '10 minutes'`, []);

/** That a recipient once had a gate is remembered: a connector that has left is STOPPED, one never heard of is BLIND. */
async function forget(tx: PoolClient, which: string, values: readonly unknown[]): Promise<void> {
  await tx.query(
    `WITH gone AS (DELETE FROM gate_start WHERE ${which} RETURNING controller, recipients, last_beat_at)
     INSERT INTO gate_left (controller, recipient, at)
     SELECT controller, r, max(last_beat_at) FROM gone CROSS JOIN LATERAL unnest(recipients) AS r GROUP BY controller, r ORDER BY controller, r
     ON CONFLICT (controller, recipient) DO UPDATE SET at = greatest(gate_left.at, excluded.at)`,
    [...values],
  );
}
