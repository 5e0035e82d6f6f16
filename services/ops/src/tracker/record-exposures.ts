import { timing, type SubjectExposed } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

/** Judged in one pass; the rest waits for the next. */
const pageSize = 500;

/** Kept until the complete log has been read up to it: the grant that allowed it may still be on its way to us. */
export async function keepExposure(tx: PoolClient, exposed: SubjectExposed): Promise<void> {
  await tx.query('INSERT INTO exposure_unjudged (record) VALUES ($1)', [JSON.stringify(exposed)]);
}

/**
 * Judges what was received before `caughtUpAt`, database time: at that moment everything in the complete log had been
 * read, so every grant that a gate can have seen before those exposures is known. Returns the leaks.
 */
export async function judgeExposures(tx: PoolClient, caughtUpAt: Date): Promise<SubjectExposed[]> {
  const { rows } = await tx.query<{ record: SubjectExposed }>(
    `DELETE FROM exposure_unjudged WHERE id IN (SELECT id FROM exposure_unjudged WHERE received_at < $1 ORDER BY id LIMIT $2)
     RETURNING record`,
    [caughtUpAt, pageSize],
  );
  const leaks: SubjectExposed[] = [];
  for (const { record } of rows) if (await isLeak(tx, record)) leaks.push(record);
  return leaks;
}

/**
 * The leak detector `egress_audit`: a first exposure announced by a connector is held against the consent history, with
 * no code of the gate. NO-LEAK: it is allowed when some version that was current within *D* before it granted the
 * purpose. A subject without any known change is not judged; the gate denies unknown subjects.
 */
async function isLeak(tx: PoolClient, exposed: SubjectExposed): Promise<boolean> {
  const { rows } = await tx.query<{ known: boolean; allowed: boolean }>(
    `WITH current AS (
       (SELECT granted FROM change WHERE controller = $1 AND subject_key = $2
          AND committed_at <= $4::timestamptz - make_interval(secs => $5 / 1000.0) ORDER BY version DESC LIMIT 1)
       UNION ALL
       (SELECT granted FROM change WHERE controller = $1 AND subject_key = $2
          AND committed_at > $4::timestamptz - make_interval(secs => $5 / 1000.0) AND committed_at <= $4::timestamptz)
     ) SELECT count(*) > 0 AS known, coalesce(bool_or($3 = ANY (granted)), false) AS allowed FROM current`,
    [exposed.controller, exposed.subjectKey, exposed.purpose, exposed.at, timing.maxStalenessMs],
  );
  const { known = false, allowed = false } = rows[0] ?? {};
  if (!known || allowed) return false;
  const { rowCount } = await tx.query(
    `INSERT INTO leak (controller, subject_key, recipient, purpose, exposed_at, detector)
     VALUES ($1, $2, $3, $4, $5, 'egress_audit') ON CONFLICT DO NOTHING`,
    [exposed.controller, exposed.subjectKey, exposed.recipient, exposed.purpose, exposed.at],
  );
  return (rowCount ?? 0) > 0;
}
