import type { ControllerId, RecipientId, SubjectKey } from '@entente/contracts';
import type { Pool } from '@entente/postgres';

/** One purpose for which a recipient was given a person's data. */
interface PurposeExposure {
  readonly purpose: string;
  readonly identifierSets: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** Known from an import alone: shared before Entente, as the controller says. */
  readonly imported: boolean;
}

/** Where a person's revocation stands at one recipient. */
interface RevocationStanding {
  readonly state: string;
  /** Version it answers for; 0 when there never was one. */
  readonly version: number;
  /** Newest version the recipient has accepted, or that needed nothing. */
  readonly settledVersion: number;
  readonly reason: string | null;
  readonly confirmation: {
    readonly state: string;
    readonly version: number;
    readonly acceptedAt: string;
    readonly endedAt: string | null;
  } | null;
}

/** A recipient that may hold a person's data, or was told to delete it. */
export interface RecipientExposure {
  readonly recipient: RecipientId;
  /** `erased`: it has accepted the deletion of all it had, and nothing was shared since. */
  readonly held: 'recorded' | 'erased' | 'unrecorded';
  readonly allowed: readonly string[];
  readonly exposures: readonly PurposeExposure[];
  readonly revocation: RevocationStanding;
}

const iso = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** Who received a person's data (Art. 19 GDPR). No identifiers. */
export async function exposuresOf(
  pool: Pool,
  controller: ControllerId,
  recipients: readonly RecipientId[],
  subjectKey: SubjectKey,
): Promise<RecipientExposure[]> {
  const { rows } = await pool.query<RecipientExposure>(
    `SELECT d.recipient, d.desired AS allowed,
            CASE WHEN d.exposed <> '{}' THEN 'recorded' WHEN d.wiped THEN 'erased' ELSE 'unrecorded' END AS held,
            coalesce((SELECT jsonb_agg(e ORDER BY e.purpose) FROM (
              SELECT purpose, count(*)::int AS "identifierSets", ${iso('min(first_at)')} AS "firstAt",
                     ${iso('max(last_at)')} AS "lastAt", bool_and(imported) AS imported
                FROM exposure x WHERE x.controller = d.controller AND x.recipient = d.recipient
                 AND x.subject_key = d.subject_key GROUP BY purpose) e), '[]') AS exposures,
            jsonb_build_object('state', d.state, 'version', d.revoke_version, 'settledVersion', d.applied_version,
              'reason', d.reason, 'confirmation', CASE WHEN c.version IS NULL THEN NULL ELSE jsonb_build_object(
                'state', c.state, 'version', c.version, 'acceptedAt', ${iso('c.accepted_at')},
                'endedAt', ${iso('c.ended_at')}) END) AS revocation
       FROM delivery d LEFT JOIN confirmation c USING (controller, recipient, subject_key)
      WHERE d.controller = $1 AND d.recipient = ANY ($2) AND d.subject_key = $3 ORDER BY d.recipient`,
    [controller, recipients, subjectKey],
  );
  return rows;
}
