import type { ControllerId, RecipientId, SubjectKey } from '@entente/contracts';
import type { Pool, PoolClient } from '@entente/postgres';
import type { Delivery } from '../delivery-step/delivery.ts';

/** A row of `delivery`: what the rules work on, and what only travels with it. */
export interface DeliveryRow extends Delivery {
  readonly recipient: RecipientId;
  readonly subjectKey: SubjectKey;
  /** Identifiers of the newest event, sealed for this service's audience. */
  readonly eventSealed: string | null;
  /** The process that opened the exposure window, when it is one process alone. */
  readonly inFlightOwner: string | null;
  /** t1 of the event behind the pending revocation. */
  readonly committedAt: string | null;
  /** W3C Trace Context of what brought that event, if anybody traces it. */
  readonly traceparent: string | null;
}

export interface RowKey {
  readonly recipient: RecipientId;
  readonly subjectKey: SubjectKey;
}

const ms = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;

/** Columns as the fields of `DeliveryRow`; times are database milliseconds. */
export const rowColumns = `
  recipient, subject_key AS "subjectKey", version, vector, desired, catalogue, event_sealed AS "eventSealed",
  committed_at::text AS "committedAt", exposed, ${ms('in_flight_until')} AS "inFlightUntil",
  in_flight_owner AS "inFlightOwner", state,
  revoke_version AS "revokeVersion", revoke_to AS "revokeTo", erasure, wiped, attempted, ambiguous, attempts,
  ${ms('next_attempt_at')} AS "nextAttemptAt", claim_token::text AS "claimToken", revoked,
  applied_version AS "appliedVersion", ${ms('consumed_at')} AS "consumedAt", reason, reference, traceparent`;

const byKey = (a: RowKey, b: RowKey): number =>
  a.recipient === b.recipient ? (a.subjectKey < b.subjectKey ? -1 : 1) : a.recipient < b.recipient ? -1 : 1;

/** The order in which everyone locks rows, so that no two transactions wait for each other. */
export const inLockOrder = <K extends RowKey>(keys: readonly K[]): K[] => [...keys].sort(byKey);

/** Makes the rows that are missing, for whoever will leave most of them as they are. */
export async function addMissing(tx: PoolClient, controller: ControllerId, keys: readonly RowKey[]): Promise<void> {
  const ordered = inLockOrder(keys);
  await tx.query({
    name: 'delivery-add',
    text: `INSERT INTO delivery (controller, recipient, subject_key)
           SELECT $1, * FROM unnest($2::text[], $3::text[]) ON CONFLICT DO NOTHING`,
    values: [controller, ordered.map((key) => key.recipient), ordered.map((key) => key.subjectKey)],
  });
}

/**
 * Locks rows in key order, making those that are missing, in one statement: for whoever writes them all next. The time is
 * the database's, milliseconds, once all of them are held.
 */
export async function takeRows(
  tx: PoolClient,
  controller: ControllerId,
  keys: readonly RowKey[],
): Promise<{ readonly rows: DeliveryRow[]; readonly now: number }> {
  const ordered = inLockOrder(keys);
  const { rows } = await tx.query<DeliveryRow & { readonly heldAt: number }>({
    name: 'delivery-take',
    // A row that is there is written as it stands: only so does ON CONFLICT lock it and answer with it.
    text: `INSERT INTO delivery AS d (controller, recipient, subject_key)
           SELECT $1, k.recipient, k.subject_key
             FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS k(recipient, subject_key, place) ORDER BY k.place
           ON CONFLICT (controller, recipient, subject_key) DO UPDATE SET version = d.version
           RETURNING ${rowColumns}, ${ms('clock_timestamp()')} AS "heldAt"`,
    values: [controller, ordered.map((key) => key.recipient), ordered.map((key) => key.subjectKey)],
  });
  return { rows: rows.map(({ heldAt: _, ...row }) => row), now: Math.max(...rows.map(({ heldAt }) => heldAt)) };
}

/**
 * Locks rows in key order. Rows that are not there are left out. One look-up in the key's index for each, whatever the
 * planner believes of a table that has just grown from nothing: it would read all rows of a controller instead.
 */
export async function lockRows(
  tx: PoolClient,
  controller: ControllerId,
  keys: readonly RowKey[],
): Promise<DeliveryRow[]> {
  const ordered = inLockOrder(keys);
  const { rows } = await tx.query<DeliveryRow>({
    name: 'delivery-lock',
    text: `SELECT d.* FROM unnest($2::text[], $3::text[]) AS k(recipient, subject_key) CROSS JOIN LATERAL (
             SELECT ${rowColumns} FROM delivery o
              WHERE o.controller = $1 AND o.recipient = k.recipient AND o.subject_key = k.subject_key FOR UPDATE) AS d`,
    values: [controller, ordered.map((key) => key.recipient), ordered.map((key) => key.subjectKey)],
  });
  return rows;
}

/** Rows as they stand, for what is decided again under their locks. */
export async function readRows(
  database: Pool | PoolClient,
  controller: ControllerId,
  keys: readonly RowKey[],
): Promise<DeliveryRow[]> {
  if (keys.length === 0) return [];
  const { rows } = await database.query<DeliveryRow>({
    name: 'delivery-read',
    text: `SELECT d.* FROM unnest($2::text[], $3::text[]) AS r(recipient, subject_key) CROSS JOIN LATERAL (
             SELECT ${rowColumns} FROM delivery o
              WHERE o.controller = $1 AND o.recipient = r.recipient AND o.subject_key = r.subject_key) AS d`,
    values: [controller, keys.map((key) => key.recipient), keys.map((key) => key.subjectKey)],
  });
  return rows;
}

/** A page of the exposure register: people this recipient may hold, in key order. */
export async function readRegistered(
  pool: Pool,
  controller: ControllerId,
  recipient: RecipientId,
  after: SubjectKey | null,
  limit: number,
  preloaded: boolean,
): Promise<DeliveryRow[]> {
  // REC-8: of somebody wiped nothing is known to be there.
  const mayBeThere = preloaded ? 'NOT wiped AND vector IS NOT NULL' : `exposed <> '{}'`;
  const { rows } = await pool.query<DeliveryRow>({
    name: preloaded ? 'delivery-read-preloaded' : 'delivery-read-registered',
    text: `SELECT ${rowColumns} FROM delivery
            WHERE controller = $1 AND recipient = $2 AND subject_key > $3 AND ${mayBeThere}
            ORDER BY subject_key LIMIT $4`,
    values: [controller, recipient, after ?? '', limit],
  });
  return rows;
}

/** The statement's time, which an index can be asked for; `clock_timestamp()` would be asked of every row that waits. */
const isDue = `controller = $1 AND recipient = $2 AND state IN ('due', 'claimed', 'waiting', 'unclear')
              AND next_attempt_at <= statement_timestamp()`;
/** In the index's order: an old guess at how many are due never makes it a walk through the table. */
export const anyDueSql = `SELECT 1 FROM delivery WHERE ${isDue} ORDER BY next_attempt_at LIMIT 1`;

/** A look without a lock, for whoever was not told that something is due. */
export async function isAnyDue(pool: Pool, controller: ControllerId, recipient: RecipientId): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: 'delivery-any-due',
    text: anyDueSql,
    values: [controller, recipient],
  });
  return rowCount !== 0;
}

/** DLV-2: due rows that nobody else works on. */
export async function lockDue(
  tx: PoolClient,
  controller: ControllerId,
  recipient: RecipientId,
  limit: number,
): Promise<DeliveryRow[]> {
  const { rows } = await tx.query<DeliveryRow>({
    name: 'delivery-lock-due',
    text: `SELECT ${rowColumns} FROM delivery
            WHERE ${isDue}
            ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED`,
    values: [controller, recipient, limit],
  });
  return rows;
}

/** Rows computed with an older catalogue, a chunk in key order after `after`. */
export async function lockOutdated(
  tx: PoolClient,
  controller: ControllerId,
  number: number,
  after: RowKey | null,
  limit: number,
): Promise<DeliveryRow[]> {
  const { rows } = await tx.query<DeliveryRow>({
    name: 'delivery-lock-outdated',
    text: `SELECT ${rowColumns} FROM delivery
            WHERE controller = $1 AND catalogue < $2 AND vector IS NOT NULL AND (recipient, subject_key) > ($3, $4)
            ORDER BY recipient, subject_key LIMIT $5 FOR UPDATE`,
    values: [controller, number, after?.recipient ?? '', after?.subjectKey ?? '', limit],
  });
  return rows;
}

/** Whether somebody was shared of whom no event has told us what they decided. */
export async function anySharedUnheard(pool: Pool, controller: ControllerId): Promise<boolean> {
  const { rows } = await pool.query<{ any: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM delivery WHERE controller = $1 AND vector IS NULL AND exposed <> '{}') AS any`,
    [controller],
  );
  return rows[0]?.any ?? false;
}

const writeSql = `
  UPDATE delivery d SET
    version = n.version, vector = n.vector, desired = n.desired, catalogue = n.catalogue, 
    event_sealed = CASE WHEN n.wiped THEN NULL ELSE n."eventSealed" END, committed_at = n."committedAt", in_flight_until = to_timestamp(n."inFlightUntil" / 1000), state = n.state,
    revoke_version = n."revokeVersion", revoke_to = n."revokeTo", erasure = n.erasure, wiped = n.wiped, attempted = n.attempted,
    ambiguous = n.ambiguous, attempts = n.attempts, next_attempt_at = to_timestamp(n."nextAttemptAt" / 1000),
    claim_token = n."claimToken", revoked = n.revoked, applied_version = n."appliedVersion",
    consumed_at = to_timestamp(n."consumedAt" / 1000), reason = n.reason, reference = n.reference,
    traceparent = n.traceparent
 FROM jsonb_to_recordset($2::jsonb) AS n (
    recipient text, "subjectKey" text, version bigint, vector jsonb, desired text[], catalogue bigint, "eventSealed" text,
    "committedAt" timestamptz, "inFlightUntil" float8, state text, "revokeVersion" bigint, "revokeTo" text[],
    erasure boolean, wiped boolean, attempted boolean, ambiguous boolean, attempts integer, "nextAttemptAt" float8, "claimToken" uuid,
    revoked text[], "appliedVersion" bigint, "consumedAt" float8, reason text, reference text, traceparent text)
 CROSS JOIN LATERAL (
    SELECT o.ctid FROM delivery o
     WHERE o.controller = $1 AND o.recipient = n.recipient AND o.subject_key = n."subjectKey" FOR UPDATE) AS held
 WHERE d.ctid = held.ctid`;

/** Writes locked rows back in one statement. `exposed` is the exposure register's own and stays. */
export async function writeRows(tx: PoolClient, controller: ControllerId, rows: readonly DeliveryRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query({ name: 'delivery-write', text: writeSql, values: [controller, JSON.stringify(rows)] });
}

/**
 * REC-8: what an erasure leaves is the fence alone. The register of what was shared goes, with the identifiers in it;
 * nothing can be in flight, for the revocation of this row has just ended under its lock. (`writeRows` drops the event's.)
 */
export async function forgetPersons(tx: PoolClient, controller: ControllerId, keys: readonly RowKey[]): Promise<void> {
  if (keys.length === 0) return;
  await tx.query({
    name: 'delivery-forget',
    text: `WITH erased AS (SELECT * FROM unnest($2::text[], $3::text[]) AS k(recipient, subject_key)),
           gone AS (DELETE FROM exposure e USING erased k
                     WHERE e.controller = $1 AND e.recipient = k.recipient AND e.subject_key = k.subject_key)
           UPDATE delivery d SET exposed = '{}' FROM erased k
            WHERE d.controller = $1 AND d.recipient = k.recipient AND d.subject_key = k.subject_key`,
    values: [controller, keys.map((key) => key.recipient), keys.map((key) => key.subjectKey)],
  });
}

const grantSql = `
  INSERT INTO delivery AS d (controller, recipient, subject_key, version, vector, desired, catalogue, event_sealed)
  SELECT $1, n.recipient, n."subjectKey", n.version, n.vector, n.desired, n.catalogue, n."eventSealed"
    FROM jsonb_to_recordset($2::jsonb) AS n (
      recipient text, "subjectKey" text, version bigint, vector jsonb, desired text[], catalogue bigint, "eventSealed" text)
  ON CONFLICT (controller, recipient, subject_key) DO UPDATE SET
    version = excluded.version, vector = excluded.vector, desired = excluded.desired, catalogue = excluded.catalogue,
    event_sealed = coalesce(excluded.event_sealed, d.event_sealed), wiped = d.wiped AND excluded.desired = '{}'
   WHERE d.version < excluded.version AND d.state IN ('none', 'settled')
     AND d.desired <@ excluded.desired AND d.exposed <@ (excluded.desired || d.revoked)
  RETURNING recipient, subject_key AS "subjectKey"`;

/** What a grant changes in a row from which it takes nothing. */
export type Granted = Pick<
  DeliveryRow,
  'recipient' | 'subjectKey' | 'version' | 'vector' | 'desired' | 'catalogue' | 'eventSealed'
>;

/**
 * Grants in one statement, for they are what a bulk import consists of. Rows that know a newer version, that have a pending
 * revocation, or from which the catalogue has taken something are left alone. @returns the keys of those written.
 */
export async function writeGrants(
  tx: PoolClient,
  controller: ControllerId,
  rows: readonly Granted[],
): Promise<RowKey[]> {
  if (rows.length === 0) return [];
  const granted = inLockOrder(rows).map(
    ({ recipient, subjectKey, version, vector, desired, catalogue, eventSealed }): Granted => {
      return { recipient, subjectKey, version, vector, desired, catalogue, eventSealed };
    },
  );
  const values = [controller, JSON.stringify(granted)];
  return (await tx.query<RowKey>({ name: 'delivery-grant', text: grantSql, values })).rows;
}

/** Database time in milliseconds. */
export async function databaseNow(tx: Pool | PoolClient): Promise<number> {
  const { rows } = await tx.query<{ now: number }>(`SELECT ${ms('clock_timestamp()')} AS now`);
  const [row] = rows;
  if (row === undefined) throw new Error('the database did not tell its time');
  return row.now;
}
