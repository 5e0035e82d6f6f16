import { OUTBOX_INSERT_CTE } from '@entente/outbox';

/** ISO 8601 in UTC with microseconds. */
const iso = (instant: string): string => `to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Under which key each of these people is known, when more than one hash key is live. */
export const knownKeysSql = `
  SELECT s.controller, s.subject_key AS "subjectKey"
    FROM subject s JOIN unnest($1::text[], $2::text[]) AS n(controller, subject_key) USING (controller, subject_key)
   WHERE s.version > 0`;

/** The subjects named, and every key linked to one of them. */
const concerned = `
  WITH named AS (SELECT n.controller, n.subject_key FROM unnest($1::text[], $2::text[]) AS n(controller, subject_key)),
  concerned AS (
    SELECT controller, subject_key FROM named
     UNION
    SELECT m.controller, m.subject_key
      FROM named JOIN subject_link l USING (controller, subject_key)
      JOIN subject_link m ON m.controller = l.controller AND m.circle = l.circle
  )`;

/**
 * REC-2: inserts or locks the subjects, in key order. The update changes nothing: it makes the row this transaction's and
 * returns it as the transaction before left it. It also makes every batch a writing one, so that the COMMIT of a batch
 * that decides nothing new is synchronous too (RST-2).
 *
 * Every key linked to one named is locked with it (REC-4). A link made since this statement began is not seen here; the
 * statement after it sees it, and the batch begins again.
 */
export const lockSubjectsSql = `
  ${concerned}
  INSERT INTO subject AS s (controller, subject_key)
  SELECT controller, subject_key FROM concerned
   ORDER BY controller COLLATE "C", subject_key COLLATE "C"
  ON CONFLICT (controller, subject_key) DO UPDATE SET version = s.version
  RETURNING s.controller, s.subject_key AS "subjectKey", s.version, s.vector, s.identifiers_sealed AS "identifiersSealed",
            ${iso('s.erased_at')} AS "erasedAt", ${iso('clock_timestamp()')} AS now`;

/** The rows that `lockSubjectsSql` would lock, as they stand; of whom there is none, as it would be made. */
export const readSubjectsSql = `
  ${concerned}
  SELECT c.controller, c.subject_key AS "subjectKey", COALESCE(s.version, 0) AS version, COALESCE(s.vector, '{}') AS vector,
         NULL AS "identifiersSealed", ${iso('s.erased_at')} AS "erasedAt", ${iso('clock_timestamp()')} AS now
    FROM concerned c LEFT JOIN subject s USING (controller, subject_key)`;

/**
 * What else a decision rests on, read in a statement of its own after the locks: it then sees the catalogue that any earlier
 * change of these subjects was decided with, or a newer one, so that a subject's catalogue number never goes back, and the
 * answer that a request with the same key and person has been given, the links of those locked (whoever links locks both
 * first, so that these stand until our commit), their data keys, and which identifiers erased people left behind.
 *
 * The number is not locked. A catalogue change that commits while this transaction runs comes after it: nothing of it is
 * lost, because whoever uses the two always judges the newest vector by the newest catalogue (GATE-4, DLV-1).
 */
export const decisionBasisSql = `
  SELECT c.number AS "catalogueNumber", i.incarnation, COALESCE((
           SELECT jsonb_agg(jsonb_build_object('controller', k.controller, 'client', k.client, 'route', k.route, 'key', k.key,
                                               'fingerprint', k.fingerprint, 'answer', k.answer))
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS n(controller, client, route, key)
             JOIN idempotency k USING (controller, client, route, key)), '[]') AS answered, (
           SELECT jsonb_agg(DISTINCT jsonb_build_object('controller', m.controller, 'subjectKey', m.subject_key, 'circle', m.circle))
             FROM unnest($5::text[], $6::text[]) AS s(controller, subject_key)
             JOIN subject_link l USING (controller, subject_key)
             JOIN subject_link m ON m.controller = l.controller AND m.circle = l.circle) AS links, (
           SELECT jsonb_agg(jsonb_build_object('controller', k.controller, 'subjectKey', k.subject_key, 'wrapped', k.wrapped))
             FROM unnest($5::text[], $6::text[]) AS s(controller, subject_key)
             JOIN subject_secret k USING (controller, subject_key)) AS secrets, (
           SELECT jsonb_agg(DISTINCT i.pseudonym) FROM suppressed_identifier i WHERE i.pseudonym = ANY ($7::text[])) AS suppressed
    FROM catalogue c CROSS JOIN incarnation i`;

/**
 * The newest change of each subject that touched one of these purposes (any, where none are given): the record that a repeated
 * wish answers with. Of an erased one nobody knows any more what it touched, and a wish is not refused for that (REC-3).
 */
export const standingRecordsSql = `
  SELECT n.at::int AS at, e.change_id AS "changeId", e.version, ${iso('e.committed_at')} AS "committedAt",
         NOT EXISTS (SELECT 1 FROM ledger_entry o
                      WHERE o.controller = n.controller AND o.subject_key = n.subject_key AND o.version <> e.version) AS "isOnly"
    FROM jsonb_to_recordset($1::jsonb) AS n(at int, controller text, subject_key text, purposes jsonb)
    JOIN LATERAL (
      SELECT change_id, version, committed_at FROM ledger_entry l
       WHERE l.controller = n.controller AND l.subject_key = n.subject_key
         AND (n.purposes IS NULL OR l.purposes && ARRAY(SELECT jsonb_array_elements_text(n.purposes)) OR l.erased_at IS NOT NULL)
       ORDER BY version DESC LIMIT 1) e ON true`;

/** Rows made by this transaction for people it then recorded nothing about. */
export const dropUnusedSubjectsSql = `
  DELETE FROM subject s USING unnest($1::text[], $2::text[]) AS n(controller, subject_key)
   WHERE s.controller = n.controller AND s.subject_key = n.subject_key AND s.version = 0`;

/**
 * REC-1, the rest of the transaction in one statement: state and version, ledger rows and their place in the queue for a
 * number (REC-5), outbox rows (REC-6), answered keys. One database instant is t1 of all of it; it is written into every
 * record here, so that the ledger, the events and the answers agree.
 */
export const writeSql = `
  WITH outbox_rows AS (
    SELECT r.* FROM jsonb_to_recordset($3::jsonb) AS r(event_id uuid, aggregatetype text, aggregateid text, type text,
                                                     payload jsonb, headers jsonb, lane smallint, shard smallint, position bigint)
  ), ${OUTBOX_INSERT_CTE},
  state AS (
    UPDATE subject s
       SET version = n.version, vector = n.vector, next_expiry = n.next_expiry, erased_at = n.erased_at,
           identifiers_sealed =
             CASE WHEN n.forgotten THEN n.identifiers_sealed ELSE COALESCE(n.identifiers_sealed, s.identifiers_sealed) END
      FROM jsonb_to_recordset($1::jsonb)
           AS n(controller text, subject_key text, version bigint, vector jsonb, next_expiry timestamptz,
                erased_at timestamptz, forgotten boolean, identifiers_sealed text)
     WHERE s.controller = n.controller AND s.subject_key = n.subject_key
  ),
  secret AS (
    INSERT INTO subject_secret AS k (controller, subject_key, wrapped)
    SELECT n.controller, n.subject_key, n.wrapped
      FROM jsonb_to_recordset($5::jsonb) AS n(controller text, subject_key text, wrapped text)
    ON CONFLICT (controller, subject_key) DO UPDATE SET wrapped = excluded.wrapped
  ),
  entry AS (
    INSERT INTO ledger_entry (change_id, controller, subject_key, version, purposes, entry, committed_at)
    SELECT n.change_id, n.controller, n.subject_key, n.version, ARRAY(SELECT jsonb_array_elements_text(n.purposes)),
           (n.entry || jsonb_build_object('committedAt', a.committed_at))::text, i.at
      FROM jsonb_to_recordset($2::jsonb)
           AS n(change_id uuid, controller text, subject_key text, version bigint, purposes jsonb, entry jsonb, position int)
           CROSS JOIN outbox_instant i CROSS JOIN outbox_appended a
     ORDER BY n.position
    RETURNING id
  ),
  pending AS (INSERT INTO ledger_pending (entry_id) SELECT id FROM entry),
  keys AS (
    INSERT INTO idempotency (controller, client, route, key, fingerprint, answer, created_at)
    SELECT n.controller, n.client, n.route, n.key, n.fingerprint,
           CASE n.answer ->> 'committedAt'
                WHEN '' THEN n.answer || jsonb_build_object('committedAt', a.committed_at) ELSE n.answer END, i.at
      FROM jsonb_to_recordset($4::jsonb)
           AS n(controller text, client text, route text, key text, fingerprint text, answer jsonb)
           CROSS JOIN outbox_instant i CROSS JOIN outbox_appended a
     ORDER BY n.controller, n.client, n.route, n.key
  )
  SELECT committed_at AS "committedAt" FROM outbox_appended`;
