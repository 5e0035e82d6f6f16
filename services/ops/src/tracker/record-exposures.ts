import { timing, type SubjectExposed } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

/**
 * The leak detector `egress_audit`: a first exposure announced by a connector is held against the consent history, with
 * no code of the gate. NO-LEAK: it is allowed when some version that was current within *D* before it granted the
 * purpose. Exposures whose subject has no known change yet are not judged here; the gate denies unknown subjects.
 * Returns what was not allowed.
 */
export async function judgeExposure(tx: PoolClient, exposed: SubjectExposed): Promise<boolean> {
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
