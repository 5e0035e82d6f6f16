import { timing, type SharesSent, type SubjectExposed } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

/** Records judged in one pass, of up to a thousand items each; the rest waits for the next. */
const pageSize = 40;
/** Two clocks drift apart between two measurements of their difference. */
const driftMs = 50;

/** A first exposure, as connectors announce them in the transaction of their register, also those that cannot tell every send. */
export const keepExposure = (tx: PoolClient, exposed: SubjectExposed): Promise<void> => {
  const { controller, recipient, subjectKey, purpose, at } = exposed;
  return keep(tx, { controller, recipient, clockErrorMs: 0, sends: [{ subjectKey, purpose, at }] });
};

export const keepSends = (tx: PoolClient, { controller, recipient, clockErrorMs, sends }: SharesSent): Promise<void> =>
  keep(tx, { controller, recipient, clockErrorMs, sends, counts: true });

/** Kept until the complete log has been read up to it: the grant that allowed it may still be on its way to us. */
async function keep(tx: PoolClient, record: object): Promise<void> {
  await tx.query('INSERT INTO exposure_unjudged (record) VALUES ($1)', [JSON.stringify(record)]);
}

/**
 * The leak detector `egress_audit`: what left is held against the consent history, with no code of the gate. NO-LEAK: an item
 * is allowed when some version that was current within *D* before it granted the purpose; the clock of its host is given its
 * measured error. Nobody is judged without a known state from
 * before that span; the gate denies unknown subjects.
 *
 * Judges what was received before `caughtUpAt`, database time: at that moment everything in the complete log had been read, so
 * every grant that a gate can have seen before those items is known. What connectors told of each send is counted as looked at;
 * a first exposure is one of those sends, announced a second time.
 */
export async function replaySends(tx: PoolClient, caughtUpAt: Date): Promise<void> {
  await tx.query(
    `WITH taken AS (
       DELETE FROM exposure_unjudged WHERE id IN (SELECT id FROM exposure_unjudged WHERE received_at < $1 ORDER BY id LIMIT $2)
       RETURNING record),
     sends AS (
       SELECT t.record->>'controller' AS controller, t.record->>'recipient' AS recipient, s."subjectKey" AS subject_key,
         s.purpose, s.at, coalesce((t.record->>'counts')::boolean, false) AS counts, make_interval(secs => ((t.record->>'clockErrorMs')::float8 + $4) / 1000.0) AS error
       FROM taken t
       CROSS JOIN LATERAL jsonb_to_recordset(t.record->'sends') AS s("subjectKey" text, purpose text, at timestamptz)),
     looked AS (
       INSERT INTO egress_day AS d (controller, recipient, day, sends, first_at)
       SELECT controller, recipient, (at AT TIME ZONE 'UTC')::date, count(*), min(at) FROM sends WHERE counts GROUP BY 1, 2, 3
       ON CONFLICT (controller, recipient, day)
       DO UPDATE SET sends = d.sends + excluded.sends, first_at = least(d.first_at, excluded.first_at))
     INSERT INTO leak (controller, subject_key, recipient, purpose, exposed_at, detector)
     SELECT DISTINCT s.controller, s.subject_key, s.recipient, s.purpose, s.at, 'egress_audit' FROM sends s
     CROSS JOIN LATERAL (
       SELECT coalesce(bool_or(standing), false) AS known, coalesce(bool_or(s.purpose = ANY (granted)), false) AS allowed FROM (
         (SELECT granted, true AS standing FROM change c WHERE c.controller = s.controller AND c.subject_key = s.subject_key
            AND c.committed_at <= s.at - make_interval(secs => $3 / 1000.0) - s.error ORDER BY version DESC LIMIT 1)
         UNION ALL
         (SELECT granted, false FROM change c WHERE c.controller = s.controller AND c.subject_key = s.subject_key
            AND c.committed_at > s.at - make_interval(secs => $3 / 1000.0) - s.error AND c.committed_at <= s.at + s.error)
       ) AS current) AS verdict
     WHERE verdict.known AND NOT verdict.allowed
     ON CONFLICT DO NOTHING`,
    [caughtUpAt, pageSize, timing.maxStalenessMs, driftMs],
  );
}
