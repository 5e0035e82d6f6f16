import * as relaySql from '../../../libs/outbox/src/relay/relay-sql.ts';
import { rowsOf, touched } from './shapes.ts';
import type { Handlers, Statement } from './statement.ts';

export interface OutboxRecord {
  readonly id: number;
  readonly eventId: string;
  readonly topic: string;
  readonly key: string;
  readonly type: string;
  readonly payload: string;
  readonly traceparent: string | null;
  readonly lane: number;
  readonly shard: number;
  readonly createdMs: number;
  readonly direction: string | null;
}

interface ShardRow {
  readonly shard: number;
  readonly pass: number;
  readonly logEpoch: number;
  readonly highestAcked: string | null;
  readonly lastLedgerNumber: number;
  readonly lastPassAt: number | null;
  readonly republishSince: number | null;
}

export interface GateRow {
  readonly startId: string;
  readonly controller: string;
  readonly lastSeen: number;
}

const committedTypes = new Set(['org.entente.consent.changed.v1', 'org.entente.catalogue.changed.v1']);
const minuteMs = 60_000;

/** ISO 8601 with microseconds, as Postgres writes it. */
export function isoMicros(ms: number): string {
  const whole = Math.floor(ms);
  const micros = Math.floor((ms - whole) * 1000);
  return new Date(whole).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`);
}

/** OUTBOX_INSERT_CTE: ids in the order of the rows, one instant for all. */
export function appendOutbox(
  s: Statement,
  records: readonly Pick<OutboxRecord, 'eventId' | 'topic' | 'key' | 'type' | 'lane' | 'shard'>[],
  payloads: readonly object[],
): string {
  const committedAt = isoMicros(s.now);
  records.forEach((record, index) => {
    const given = payloads[index] ?? {};
    const payload = committedTypes.has(record.type) ? { committedAt, ...given } : given;
    const id = s.nextValue('outbox_id');
    const direction = 'direction' in given && record.type.includes('consent.changed') ? String(given.direction) : null;
    const row: OutboxRecord = {
      ...record,
      id,
      payload: JSON.stringify(payload),
      traceparent: null,
      createdMs: s.now,
      direction,
    };
    s.put('outbox', String(id), row);
  });
  return committedAt;
}

const page = (lane: number) => (s: Statement) => {
  const [shards, floors, upTo, perShard] = [
    s.array<number>(1),
    s.array<number>(2),
    s.value<number | null>(3),
    s.value<number>(4),
  ];
  if (s.isEmpty('outbox')) return rowsOf([]);
  const rows = s.all<OutboxRecord>('outbox').sort((a, b) => a.id - b.id);
  const found = shards.flatMap((shard, index) =>
    rows
      .filter((r) => r.lane === lane && r.shard === shard && r.id > (floors[index] ?? 0) && r.id <= (upTo ?? Infinity))
      .slice(0, perShard),
  );
  return rowsOf(
    found
      .sort((a, b) => a.id - b.id)
      .map((r) => ({
        id: r.id,
        event_id: r.eventId,
        aggregatetype: r.topic,
        aggregateid: r.key,
        type: r.type,
        payload: r.payload,
        traceparent: r.traceparent,
        shard: r.shard,
        time: isoMicros(r.createdMs),
        committed_at_ms: r.createdMs,
        direction: r.direction,
      })),
  );
};

const deletePage = (s: Statement) => {
  s.transaction.synchronous = false;
  for (const id of s.array<number>(1)) if (s.get('outbox', String(id)) !== undefined) s.delete('outbox', String(id));
  return touched(s.array(1).length);
};

const shardLock = (s: Statement, shard: number): string => `${s.backend.schema} shard ${shard}`;
const census = (s: Statement): string => `${s.backend.schema} census`;
const noShard = {
  pass: 0,
  logEpoch: 0,
  highestAcked: null,
  lastLedgerNumber: 0,
  lastPassAt: null,
  republishSince: null,
};

/** The relay's own statements and the outbox insert. */
export const outboxHandlers: Handlers = {
  'FROM outbox AS o\n      WHERE o.lane = 0': page(0),
  'FROM outbox AS o\n      WHERE o.lane = 1': page(1),
  'DELETE FROM outbox USING': deletePage,
  'SELECT committed_at FROM outbox_appended': (s) => {
    const [eventIds, topics, keys] = [s.array<string>(1), s.array<string>(2), s.array<string>(3)];
    const [types, payloads] = [s.array<string>(4), s.array<string>(5)];
    const [lanes, shards] = [s.array<number>(7), s.array<number>(8)];
    const records = eventIds.map((eventId, i) => ({
      eventId,
      topic: topics[i] ?? '',
      key: keys[i] ?? '',
      type: types[i] ?? '',
      lane: lanes[i] ?? 1,
      shard: shards[i] ?? 0,
    }));
    const committed_at = appendOutbox(
      s,
      records,
      payloads.map((payload) => JSON.parse(payload) as object),
    );
    return rowsOf([{ committed_at }]);
  },
  [relaySql.ownerSession]: (s) => {
    s.backend.limits = { idleMs: 2_000, statementMs: 1_000 };
    return touched(0);
  },
  [relaySql.readerSession]: (s) => {
    s.backend.limits = { statementMs: 10_000 };
    return touched(0);
  },
  'SELECT current_schema() AS schema': (s) => rowsOf([{ schema: s.backend.schema }]),
  'SELECT 1': () => rowsOf([{}]),
  // How to plan is nothing that the simulated server does.
  'SET LOCAL enable_sort': () => touched(0),
  'SELECT quote_ident(current_schema()': (s) => rowsOf([{ channel: `${s.backend.schema}_outbox` }]),
  'LISTEN ': (s) => {
    const { listeners } = s.backend.server;
    const channel = `${s.backend.schema}_outbox`;
    listeners.set(channel, (listeners.get(channel) ?? new Set()).add(s.backend));
    return touched(0);
  },
  "pg_notify(current_schema() || '_outbox'": (s) => {
    for (const listener of s.backend.server.listeners.get(`${s.backend.schema}_outbox`) ?? [])
      listener.onNotification(s.value<string>(1));
    return rowsOf([{}]);
  },
  [relaySql.enterCensus]: (s) => {
    s.backend.lockAdvisory(census(s), true);
    return rowsOf([{}]);
  },
  [relaySql.countCensus]: (s) => rowsOf([{ live: s.backend.server.advisory.get(census(s))?.size ?? 0 }]),
  [relaySql.tryLock]: (s) =>
    rowsOf(
      s
        .array<number>(2)
        .filter((shard) => s.backend.lockAdvisory(shardLock(s, shard), false))
        .map((shard) => ({ shard })),
    ),
  [relaySql.unlock]: (s) => {
    for (const shard of s.array<number>(2)) s.backend.unlockAdvisory(shardLock(s, shard));
    return touched(s.array(2).length);
  },
  [relaySql.recordOwner]: (s) =>
    rowsOf(
      s.array<number>(1).map((shard) => {
        const held = s.get<ShardRow>('relay_shard', String(shard));
        const row: ShardRow = { ...noShard, shard, ...held, pass: held === undefined ? 0 : held.pass + 1 };
        s.put('relay_shard', String(shard), row);
        return {
          shard,
          log_epoch: row.logEpoch,
          highest_acked: row.highestAcked,
          last_ledger_number: row.lastLedgerNumber,
          republish_since: row.republishSince,
        };
      }),
    ),
  [relaySql.commitPass]: (s) => {
    const [shards, epochs, acked, ledgers] = [
      s.array<number>(1),
      s.array<number>(2),
      s.array<string>(3),
      s.array<number>(4),
    ];
    return rowsOf(
      shards.map((shard, i) => {
        const held = s.get<ShardRow>('relay_shard', String(shard)) ?? { ...noShard, shard };
        const pass = held.pass + 1;
        const row: ShardRow = {
          shard,
          pass,
          logEpoch: epochs[i] ?? 0,
          highestAcked: acked[i] ?? null,
          lastLedgerNumber: ledgers[i] ?? 0,
          lastPassAt: s.now,
          republishSince: null,
        };
        s.put('relay_shard', String(shard), row);
        return { shard, pass };
      }),
    );
  },
  [relaySql.oweRepublish]: (s) => {
    s.array<number>(1).forEach((shard, i) => {
      const held = s.get<ShardRow>('relay_shard', String(shard)) ?? { ...noShard, shard };
      const row: ShardRow = {
        ...held,
        logEpoch: s.array<number>(2)[i] ?? 0,
        highestAcked: s.array<string>(3)[i] ?? null,
        republishSince: Math.min(held.republishSince ?? Infinity, s.array<number>(4)[i] ?? 0),
      };
      s.put('relay_shard', String(shard), row);
    });
    return touched(s.array(1).length);
  },
  // RST-4, asked for a snapshot by log-agreement.ts.
  '"msSincePass", count(*)::int AS shards FROM relay_shard': (s) => {
    const rows = s.all<ShardRow>('relay_shard');
    const passes = rows.map(({ lastPassAt }) => lastPassAt).filter((at) => at !== null);
    const isWhole = rows.length > 0 && passes.length === rows.length;
    return rowsOf([{ msSincePass: isWhole ? String(s.now - Math.min(...passes)) : null, shards: rows.length }]);
  },
  [relaySql.registerGates]: (s) => {
    s.array<string>(1).forEach((startId, i) => {
      const row: GateRow = { startId, controller: s.array<string>(3)[i] ?? '', lastSeen: s.now };
      s.put('gate', startId, row);
    });
    return touched(s.array(1).length);
  },
  [relaySql.strikeGates]: (s) => {
    const ended = new Set(s.array<string>(1));
    for (const { startId, lastSeen } of s.all<GateRow>('gate'))
      if (ended.has(startId) || lastSeen < s.now - minuteMs) s.delete('gate', startId);
    return touched(ended.size);
  },
  [relaySql.passStart]: (s) =>
    rowsOf([
      {
        pass_time: isoMicros(s.now),
        up_to: s.lastValue('outbox_id'),
        gates: s.all<GateRow>('gate').map(({ startId, lastSeen }) => [startId, s.now - lastSeen]),
      },
    ]),
  // GATE-6, asked by wait-for-gates.
};
