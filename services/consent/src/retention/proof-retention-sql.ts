/** One instance at a time; another finds the row locked and has nothing to do. */
export const placeSql = 'SELECT looked_at AS "lookedAt" FROM proof_retention FOR UPDATE SKIP LOCKED';

/**
 * The next entries in the order they were written, as far as their time is over and all before them have numbers: the
 * commitment to a text is made when it gets its number, and only then can the text go.
 */
export const entriesSql = (batchSize: number): string => `
  SELECT id::text AS id, controller, subject_key AS "subjectKey", version FROM ledger_entry
   WHERE id > $1 AND committed_at < clock_timestamp() - make_interval(secs => $2)
     AND id < COALESCE((SELECT min(p.entry_id) FROM ledger_pending p JOIN ledger_entry e ON e.id = p.entry_id), 9223372036854775807)
   ORDER BY id LIMIT ${batchSize}`;

const granted = `'$.*.decision ? (@ == "granted")'`;

/** Those among them whose last decision it is, and who have nothing granted any more, under any id of theirs. */
const ended = (people: string): string => `
  SELECT s.controller, s.subject_key AS "subjectKey", s.version, s.identifiers_sealed AS sealed, k.wrapped
    FROM ${people}
    JOIN subject s ON s.controller = n.controller AND s.subject_key = n."subjectKey" AND s.version = n.version
    LEFT JOIN subject_secret k ON k.controller = s.controller AND k.subject_key = s.subject_key
   WHERE NOT jsonb_path_exists(s.vector, ${granted})
     AND NOT EXISTS (
           SELECT 1 FROM subject_link l JOIN subject_link m ON m.controller = l.controller AND m.circle = l.circle
             JOIN subject o ON o.controller = m.controller AND o.subject_key = m.subject_key
            WHERE l.controller = s.controller AND l.subject_key = s.subject_key AND jsonb_path_exists(o.vector, ${granted}))`;

/** Who is due is written down, and the walk moves on: whatever becomes of one person, it does not stop for them. */
export const foundSql = `
  WITH due AS (
    INSERT INTO proof_due (controller, subject_key, below_version)
    SELECT controller, "subjectKey", version
      FROM (${ended('jsonb_to_recordset($1::jsonb) AS n(controller text, "subjectKey" text, version bigint)')}) e
    ON CONFLICT DO NOTHING)
  UPDATE proof_retention SET looked_at = $2`;

export const turnsSql = (batchSize: number): string => `
  SELECT controller, subject_key AS "subjectKey", below_version AS version FROM proof_due
   WHERE try_after <= clock_timestamp() ORDER BY try_after LIMIT ${batchSize}`;

const ofPerson = 'controller = $1 AND subject_key = $2 AND below_version = $3';

/** One instance at a time for one person. */
export const turnSql = `
  SELECT rekeyed, erased_below AS "erasedBelow" FROM proof_due WHERE ${ofPerson} FOR UPDATE SKIP LOCKED`;

/** The lock keeps a decision of this moment apart: it comes before, and then the entry is not the last, or after. */
export const endedSql = `${ended(
  '(SELECT $1::text AS controller, $2::text AS "subjectKey", $3::bigint AS version) n',
)} FOR UPDATE OF s`;

export const rekeyedSql = `
  WITH noted AS (
    INSERT INTO proof_destroyed (controller, subject_key, below_version) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING)
  UPDATE proof_due SET rekeyed = true WHERE ${ofPerson}`;

/** What is below a version of a numbered entry has a number too, and is written no more: no lock on the subject is needed. */
export const sliceSql = `
  WITH slice AS (
    SELECT COALESCE((SELECT version FROM ledger_entry
                      WHERE controller = $1 AND subject_key = $2 AND version >= $4 AND version < $3
                      ORDER BY version OFFSET $5 LIMIT 1), $3::bigint) AS "end")
  SELECT "end", erase_ledger_slice($1, $2, $4, "end") AS entries FROM slice`;

/** To the end of the queue. */
export const goOnSql = `
  UPDATE proof_due SET erased_below = $4, try_after = clock_timestamp() WHERE ${ofPerson}`;

export const laterSql = `
  UPDATE proof_due SET try_after = clock_timestamp() + make_interval(secs => $4) WHERE ${ofPerson}`;

export const doneSql = `DELETE FROM proof_due WHERE ${ofPerson}`;

export const dueSql = 'SELECT count(*) AS due FROM proof_due';
