import type { Client, Pool, PoolClient } from '@entente/postgres';

export type Lane = 'urgent' | 'normal';

export const lanes: readonly Lane[] = ['urgent', 'normal'];

/** How a lane is stored. */
export const laneNumber: Readonly<Record<Lane, 0 | 1>> = { urgent: 0, normal: 1 };

/** One record to be published, in the transaction of the change that it tells of. */
export interface OutboxRow {
  /** UUIDv7; `ce_id` of the record. The two lanes of one change carry the same. */
  readonly eventId: string;
  readonly topic: string;
  /** Kafka key, e.g. the subjectKey. */
  readonly key: string;
  /** CloudEvents type. */
  readonly type: string;
  readonly payload: object;
  readonly lane: Lane;
  /** Kafka partition of the key in that topic (`partitionOf`). */
  readonly shard: number;
  readonly traceparent?: string | undefined;
}

/** Types whose data says when it was committed. */
const committedTypes = `('org.entente.consent.changed.v1', 'org.entente.catalogue.changed.v1')`;

/** ISO 8601 in UTC with microseconds. */
const isoMicros = (instant: string): string =>
  `to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/**
 * Three comma-separated CTEs, `outbox_instant`, `outbox_stored` and `outbox_appended(committed_at)`, for a statement that
 * has defined before them a CTE
 * `outbox_rows(event_id uuid, aggregatetype text, aggregateid text, type text, payload jsonb, headers jsonb, lane smallint, shard smallint, position bigint)`.
 * One database instant is t1 of all its rows; it is written in SQL into data that carries `committedAt`, so that another
 * reader of the table (Debezium) would publish the same; what goes out again says itself when it was committed (REL-5).
 * Ids are given in the order of `position`.
 */
export const OUTBOX_INSERT_CTE = `
  outbox_instant AS MATERIALIZED (SELECT clock_timestamp() AS at),
  outbox_stored AS (
    INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, headers, lane, shard, created_at)
    SELECT event_id, aggregatetype, aggregateid, type,
           CASE WHEN type IN ${committedTypes} AND NOT payload ? 'committedAt'
                THEN payload || jsonb_build_object('committedAt', ${isoMicros('at')}) ELSE payload END,
           headers, lane, shard, at
      FROM outbox_rows CROSS JOIN outbox_instant
     ORDER BY position
    RETURNING 1
  ),
  outbox_appended AS (
    SELECT ${isoMicros('at')} AS committed_at, (SELECT count(*) FROM outbox_stored) AS stored FROM outbox_instant
  )`;

const appendSql = `
  WITH outbox_rows AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::smallint[], $8::smallint[])
      WITH ORDINALITY AS r(event_id, aggregatetype, aggregateid, type, payload, headers, lane, shard, position)
  ), ${OUTBOX_INSERT_CTE}
  SELECT committed_at FROM outbox_appended`;

/** The `headers` column: what passes through to the record beside the CloudEvents attributes. */
export const headersColumn = (traceparent: string | undefined): string | null =>
  traceparent === undefined ? null : JSON.stringify({ traceparent });

/**
 * Writes the rows in one statement, in their order, inside the caller's transaction: as its last statement, after the
 * subjects are locked (REC-1).
 * @returns t1 of these rows, ISO 8601 with microseconds.
 */
export async function appendOutbox(client: Client | PoolClient | Pool, rows: readonly OutboxRow[]): Promise<string> {
  const { rows: answer } = await client.query<{ committed_at: string }>({
    name: 'outbox-append',
    text: appendSql,
    values: [
      rows.map((row) => row.eventId),
      rows.map((row) => row.topic),
      rows.map((row) => row.key),
      rows.map((row) => row.type),
      rows.map((row) => JSON.stringify(row.payload)),
      rows.map((row) => headersColumn(row.traceparent)),
      rows.map((row) => laneNumber[row.lane]),
      rows.map((row) => row.shard),
    ],
  });
  const [appended] = answer;
  if (appended === undefined) throw new Error('the outbox insert answered nothing');
  return appended.committed_at;
}
