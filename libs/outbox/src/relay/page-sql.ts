import { laneNumber, type Lane } from '../append.ts';
import { deleteRows } from './timing.ts';
import type { StoredRow } from './rows.ts';
import type { StatementQueue } from './statement-queue.ts';

export interface PageRequest {
  readonly shards: readonly number[];
  /** By position in `shards`: only ids above it are read. */
  readonly floors: readonly number[];
  /** Only ids up to it are read; null for all. */
  readonly upTo: number | null;
  readonly perShard: number;
}

/**
 * Each shard's lowest ids by its own index range, whatever stands before them for other shards. A plain statement sees
 * version 1 of a subject whenever it sees version 2 (REC-1), so ids give the order.
 */
const pageSql = (lane: Lane): string => `
  SELECT r.id, r.event_id, r.aggregatetype, r.aggregateid, r.type, r.payload::text AS payload,
         r.headers ->> 'traceparent' AS traceparent, r.shard,
         to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time,
         (extract(epoch FROM r.created_at) * 1000)::float8 AS committed_at_ms,
         CASE WHEN r.type = 'org.entente.consent.changed.v1' THEN r.payload ->> 'direction' END AS direction
    FROM unnest($1::smallint[], $2::bigint[]) AS s(shard, floor)
   CROSS JOIN LATERAL (
     SELECT * FROM outbox AS o
      WHERE o.lane = ${laneNumber[lane]} AND o.shard = s.shard AND o.id > s.floor AND o.id <= coalesce($3::bigint, 9223372036854775807)
      ORDER BY o.id LIMIT $4) AS r
   ORDER BY r.id`;

/** A delete lost in a crash is a record sent twice, which consumers fence: it need not wait for the disk. */
const deleteSql = (lane: Lane): string => `
  DELETE FROM outbox USING (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried
   WHERE lane = ${laneNumber[lane]} AND id = ANY ($1::bigint[])`;

const pageStatements = { urgent: pageSql('urgent'), normal: pageSql('normal') };
const deleteStatements = { urgent: deleteSql('urgent'), normal: deleteSql('normal') };

interface PageRow {
  readonly id: number;
  readonly event_id: string;
  readonly aggregatetype: string;
  readonly aggregateid: string;
  readonly type: string;
  readonly payload: string;
  readonly traceparent: string | null;
  readonly shard: number;
  readonly time: string;
  readonly committed_at_ms: number;
  readonly direction: string | null;
}

export async function readPage(queue: StatementQueue, lane: Lane, page: PageRequest): Promise<StoredRow[]> {
  const { rows } = await queue.run(lane, (client) =>
    client.query<PageRow>({
      name: `relay-page-${lane}`,
      text: pageStatements[lane],
      values: [page.shards, page.floors, page.upTo, page.perShard],
    }),
  );
  return rows.map((row) => ({
    id: row.id,
    eventId: row.event_id,
    topic: row.aggregatetype,
    key: row.aggregateid,
    type: row.type,
    payload: row.payload,
    traceparent: row.traceparent,
    shard: row.shard,
    time: row.time,
    committedAtMs: row.committed_at_ms,
    direction: row.direction,
  }));
}

/** In short statements: another lane's reads wait behind them. */
export async function deletePage(queue: StatementQueue, lane: Lane, ids: readonly number[]): Promise<void> {
  for (let from = 0; from < ids.length; from += deleteRows) {
    const values = [ids.slice(from, from + deleteRows)];
    await queue.run(lane, (client) =>
      client.query({ name: `relay-delete-${lane}`, text: deleteStatements[lane], values }),
    );
  }
}
