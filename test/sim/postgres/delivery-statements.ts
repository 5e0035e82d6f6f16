import type { CatalogueDocument } from '@entente/contracts';
import { newDelivery } from '../../../libs/connector-runtime/src/delivery-step/delivery.ts';
import type { DeliveryRow } from '../../../libs/connector-runtime/src/store/delivery-rows.ts';
import { rowsOf, touched } from './shapes.ts';
import type { Handlers, Statement } from './statement.ts';

interface ExposureRow {
  readonly recipient: string;
  readonly subjectKey: string;
  readonly purpose: string;
  readonly digest: string;
  readonly sealed: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

interface KnownDatabase {
  readonly system_identifier: string;
  readonly timeline: number;
  readonly synchronous: boolean;
  /** When newest commits may have been lost, database milliseconds (DLV-7). */
  readonly restored_at: number | null;
  readonly comparison_owed_since: string | null;
}

const unknownDatabase: KnownDatabase = {
  ...{ system_identifier: '', timeline: 0, synchronous: false },
  restored_at: null,
  comparison_owed_since: null,
};

interface StoredCatalogue {
  readonly number: number;
  readonly document: CatalogueDocument;
}

export const deliveryKey = (recipient: string, subjectKey: string): string => `${recipient} ${subjectKey}`;

const emptyRow = (recipient: string, subjectKey: string): DeliveryRow => ({
  ...newDelivery,
  recipient: recipient as DeliveryRow['recipient'],
  subjectKey: subjectKey as DeliveryRow['subjectKey'],
  eventSealed: null,
  inFlightOwner: null,
  committedAt: null,
  traceparent: null,
});

const rowAt = (s: Statement, recipient: string, subjectKey: string): DeliveryRow | undefined =>
  s.get<DeliveryRow>('delivery', deliveryKey(recipient, subjectKey));

const putRow = (s: Statement, row: DeliveryRow): void =>
  s.put('delivery', deliveryKey(row.recipient, row.subjectKey), row);

const catalogue = (s: Statement) => {
  const held = s.get<StoredCatalogue>('catalogue', 'one');
  const known = s.get<KnownDatabase>('known_database', 'one') ?? unknownDatabase;
  const marks = { restoredAt: known.restored_at, comparisonOwed: known.comparison_owed_since !== null };
  return rowsOf(held === undefined ? [] : [{ document: held.document, number: held.number, ...marks }]);
};

const claimable: ReadonlySet<string> = new Set(['due', 'claimed', 'waiting', 'unclear']);

const dueRows = (s: Statement): DeliveryRow[] =>
  s
    .all<DeliveryRow>('delivery')
    .filter((r) => r.recipient === s.value(2) && claimable.has(r.state) && (r.nextAttemptAt ?? Infinity) <= s.now);

/** The row has seen nothing newer that forbids it. */
const allows = (row: DeliveryRow, { version, purpose }: Wanted): boolean =>
  row.version < version || row.desired.some((allowed) => allowed === purpose);

interface Wanted {
  readonly subjectKey: string;
  readonly purpose: DeliveryRow['exposed'][number];
  readonly digest: string;
  readonly sealed: string;
  readonly version: number;
  readonly lifted: boolean;
}

/** Each window ends later than the one before it, milliseconds. */
const microsecond = 0.001;

/** SHR-1 in one statement, as `exposeSql` does it. */
function expose(s: Statement) {
  const recipient = s.value<string>(2);
  const wanted = s.array<string>(3).map((subjectKey, i): Wanted => ({
    subjectKey,
    purpose: s.array<Wanted['purpose']>(4)[i] as Wanted['purpose'],
    digest: s.array<string>(5)[i] ?? '',
    sealed: s.array<string>(6)[i] ?? '',
    version: s.array<number>(7)[i] ?? 0,
    lifted: s.array<boolean>(11)[i] ?? false,
  }));
  const owner = s.value<string>(9);
  const pending = new Set(s.array<string>(10));
  const subjects = [...new Set(wanted.map(({ subjectKey }) => subjectKey))].sort();
  for (const subjectKey of subjects) s.lock('delivery', deliveryKey(recipient, subjectKey));
  return rowsOf(
    subjects.map((subjectKey) => {
      const mine = wanted.filter((w) => w.subjectKey === subjectKey);
      const before = rowAt(s, recipient, subjectKey);
      const held = before ?? emptyRow(recipient, subjectKey);
      const recorded = pending.has(held.state) ? [] : mine.filter((share) => allows(held, share));
      const row = recorded.length === 0 ? held : exposed(held, recorded, { now: s.now, ms: s.value(8), owner });
      if (before === undefined || recorded.length > 0) putRow(s, row);
      const known = s
        .all<ExposureRow>('exposure')
        .filter((e) => e.recipient === recipient && e.subjectKey === subjectKey);
      const first = new Set(recorded.map(({ purpose }) => purpose).filter((p) => known.every((e) => e.purpose !== p)));
      for (const { purpose, digest, sealed } of recorded) {
        const id = [recipient, subjectKey, purpose, digest].join(' ');
        const firstAt = s.get<ExposureRow>('exposure', id)?.firstAt ?? s.now;
        s.put('exposure', id, { recipient, subjectKey, purpose, digest, sealed, firstAt, lastAt: s.now });
      }
      const { state, version, desired, revoked, revokeVersion, inFlightUntil } = row;
      const told = { subjectKey, state, version, desired, revoked, revokeVersion, inFlightUntil };
      return { ...told, first: [...first].sort(), now: s.now };
    }),
  );
}

/** A row from which something is about to leave. */
function exposed(
  row: DeliveryRow,
  recorded: readonly Wanted[],
  window: { readonly now: number; readonly ms: number; readonly owner: string },
): DeliveryRow {
  const othersWindow = (row.inFlightUntil ?? 0) > window.now && row.inFlightOwner !== window.owner;
  return {
    ...row,
    exposed: [...new Set([...row.exposed, ...recorded.map(({ purpose }) => purpose)])].sort(),
    revoked: row.revoked.filter((p) => !recorded.some(({ purpose, lifted }) => lifted && purpose === p)),
    inFlightOwner: othersWindow ? null : window.owner,
    inFlightUntil: Math.max((row.inFlightUntil ?? -Infinity) + microsecond, window.now + window.ms),
  };
}

type Written = Omit<DeliveryRow, 'exposed'>;

/** The connector runtime's statements: deliveries, exposures, catalogue, positions. */
export const deliveryHandlers: Handlers = {
  'INSERT INTO delivery (controller, recipient, subject_key)\n': (s) => {
    s.array<string>(2).forEach((recipient, i) => {
      const subjectKey = s.array<string>(3)[i] ?? '';
      if (rowAt(s, recipient, subjectKey) === undefined) putRow(s, emptyRow(recipient, subjectKey));
    });
    return touched(s.array(2).length);
  },
  'ON CONFLICT (controller, recipient, subject_key) DO UPDATE SET version = d.version': (s) => {
    const keys = s.array<string>(2).map((recipient, i) => [recipient, s.array<string>(3)[i] ?? ''] as const);
    for (const [recipient, subjectKey] of keys) s.lock('delivery', deliveryKey(recipient, subjectKey));
    return rowsOf(
      keys.map(([recipient, subjectKey]) => {
        const row = rowAt(s, recipient, subjectKey) ?? emptyRow(recipient, subjectKey);
        putRow(s, row);
        return { ...row, heldAt: s.now };
      }),
    );
  },
  'SELECT d.* FROM unnest($2::text[], $3::text[]) AS k': (s) => {
    const keys = s.array<string>(2).map((recipient, i) => [recipient, s.array<string>(3)[i] ?? ''] as const);
    for (const [recipient, subjectKey] of keys)
      if (rowAt(s, recipient, subjectKey) !== undefined) s.lock('delivery', deliveryKey(recipient, subjectKey));
    return rowsOf(
      keys.flatMap(([recipient, subjectKey]) => {
        const row = rowAt(s, recipient, subjectKey);
        return row === undefined ? [] : [{ ...row }];
      }),
    );
  },
  'SELECT 1 FROM delivery WHERE controller = $1 AND recipient = $2': (s) => rowsOf(dueRows(s).length > 0 ? [{}] : []),
  'ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED': (s) => {
    const due = dueRows(s)
      .filter((r) => !s.isLockedByAnother('delivery', deliveryKey(r.recipient, r.subjectKey)))
      .sort((a, b) => (a.nextAttemptAt ?? 0) - (b.nextAttemptAt ?? 0) || (a.subjectKey < b.subjectKey ? -1 : 1))
      .slice(0, s.value<number>(3));
    for (const row of due) s.lock('delivery', deliveryKey(row.recipient, row.subjectKey));
    return rowsOf(due.map((row) => ({ ...row })));
  },
  'vector IS NOT NULL AND (recipient, subject_key) > ($3, $4)': (s) => {
    const after = deliveryKey(s.value(3), s.value(4));
    const rows = s
      .all<DeliveryRow>('delivery')
      .filter(
        (r) => r.catalogue < s.value<number>(2) && r.vector !== null && deliveryKey(r.recipient, r.subjectKey) > after,
      )
      .sort((a, b) => (deliveryKey(a.recipient, a.subjectKey) < deliveryKey(b.recipient, b.subjectKey) ? -1 : 1))
      .slice(0, s.value<number>(5));
    for (const row of rows) s.lock('delivery', deliveryKey(row.recipient, row.subjectKey));
    return rowsOf(rows.map((row) => ({ ...row })));
  },
  'UPDATE delivery d SET\n    version = n.version': (s) => {
    const rows = s.json<Written[]>(2);
    for (const { recipient, subjectKey } of rows) s.lock('delivery', deliveryKey(recipient, subjectKey));
    for (const written of rows) {
      const held = rowAt(s, written.recipient, written.subjectKey);
      if (held === undefined) continue;
      const { exposed, inFlightOwner } = held;
      const eventSealed = written.wiped ? null : written.eventSealed;
      putRow(s, { ...(written as DeliveryRow), exposed, inFlightOwner, eventSealed });
    }
    return touched(rows.length);
  },
  'INSERT INTO delivery AS d (controller, recipient, subject_key, version': (s) => {
    const rows = s.json<Written[]>(2);
    for (const { recipient, subjectKey } of rows) s.lock('delivery', deliveryKey(recipient, subjectKey));
    return rowsOf(
      rows.flatMap(({ recipient, subjectKey, version, vector, desired, catalogue: number, eventSealed }) => {
        const held = rowAt(s, recipient, subjectKey);
        if (held !== undefined && (held.version >= version || (held.state !== 'none' && held.state !== 'settled')))
          return [];
        const row = held ?? emptyRow(recipient, subjectKey);
        const takes = [...row.desired, ...row.exposed.filter((p) => !row.revoked.includes(p))];
        if (held !== undefined && !takes.every((p) => desired.includes(p))) return [];
        const wiped = row.wiped && desired.length === 0;
        const sealed = eventSealed ?? row.eventSealed;
        putRow(s, { ...row, version, vector, desired, catalogue: number, eventSealed: sealed, wiped });
        return [{ recipient, subjectKey }];
      }),
    );
  },
  'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now': (s) => rowsOf([{ now: s.now }]),
  'INSERT INTO kafka_offset': (s) => {
    const newest = new Map<string, { topic: string; partition: number; next: number }>();
    s.array<string>(1).forEach((topic, i) => {
      const [partition, next] = [s.array<number>(2)[i] ?? 0, Number(s.array<string>(3)[i])];
      const id = `${topic}:${partition}`;
      if ((newest.get(id)?.next ?? -1) < next) newest.set(id, { topic, partition, next });
    });
    for (const id of [...newest.keys()].sort()) s.lock('kafka_offset', id);
    for (const [id, position] of newest) {
      const held = s.get<{ next: number }>('kafka_offset', id);
      if (held === undefined || held.next < position.next) s.put('kafka_offset', id, position);
    }
    return touched(newest.size);
  },
  'next_offset::text AS next FROM kafka_offset': (s) =>
    rowsOf(
      s.array<string>(1).flatMap((topic, i) => {
        const partition = s.array<number>(2)[i];
        const held = s.get<{ next: number }>('kafka_offset', `${topic}:${partition}`);
        return held === undefined ? [] : [{ topic, partition, next: String(held.next) }];
      }),
    ),
  'DELETE FROM kafka_offset': (s) => {
    s.delete('kafka_offset', `${s.value<string>(1)}:${s.value<number>(2)}`);
    return touched(1);
  },
  'INSERT INTO quarantine': () => touched(1),
  'FROM catalogue WHERE controller = $1 FOR SHARE': catalogue,
  'SELECT document FROM catalogue WHERE controller = $1 FOR UPDATE': (s) => {
    s.lock('catalogue', 'one');
    return catalogue(s);
  },
  'INSERT INTO catalogue (controller, number, document)': (s) => {
    s.lock('catalogue', 'one');
    const held = s.get<StoredCatalogue>('catalogue', 'one');
    if (held !== undefined && held.number >= s.value<number>(2)) return touched(0);
    s.put('catalogue', 'one', { number: s.value(2), document: s.json(3) });
    return touched(1);
  },
  'SELECT number FROM catalogue WHERE controller = $1': catalogue,
  "vector IS NULL AND exposed <> '{}') AS any": (s) =>
    rowsOf([{ any: s.all<DeliveryRow>('delivery').some((r) => r.vector === null && r.exposed.length > 0) }]),
  "VALUES ('', 0, false, clock_timestamp())": (s) => {
    s.lock('known_database', 'one');
    const held = s.get<KnownDatabase>('known_database', 'one') ?? unknownDatabase;
    s.put('known_database', 'one', { ...held, restored_at: s.now } satisfies KnownDatabase);
    return touched(1);
  },
  'INSERT INTO known_database (system_identifier, timeline, synchronous, comparison_owed_since)': (s) => {
    s.lock('known_database', 'one');
    const held = s.get<KnownDatabase>('known_database', 'one') ?? unknownDatabase;
    s.put('known_database', 'one', { ...held, comparison_owed_since: String(s.now) } satisfies KnownDatabase);
    return touched(1);
  },
  'SELECT (SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier"': (s) =>
    rowsOf([
      {
        systemIdentifier: s.backend.server.systemIdentifier,
        timeline: s.backend.server.timelineOf(s.backend.schema),
        inRecovery: false,
      },
    ]),
  'SELECT * FROM known_database FOR UPDATE': (s) => {
    s.lock('known_database', 'one');
    const known = s.get<KnownDatabase>('known_database', 'one');
    return rowsOf(known === undefined ? [] : [{ ...known }]);
  },
  "WHERE attrelid = to_regclass('known_database')": () => rowsOf([{ there: true }]),
  'INSERT INTO known_database (system_identifier, timeline, synchronous, restored_at, comparison_owed_since)': (s) => {
    const synchronous = s.backend.server.synchronousStandby;
    const before = s.get<KnownDatabase>('known_database', 'one') ?? unknownDatabase;
    s.put('known_database', 'one', {
      ...{ system_identifier: s.value<string>(1), timeline: s.value<number>(2), synchronous },
      restored_at: s.value<boolean>(3) ? s.now : before.restored_at,
      comparison_owed_since: s.value<boolean>(3) ? String(s.now) : before.comparison_owed_since,
    } satisfies KnownDatabase);
    return rowsOf([{ synchronous }]);
  },
  'SELECT comparison_owed_since::text AS since': (s) =>
    rowsOf([{ since: s.get<KnownDatabase>('known_database', 'one')?.comparison_owed_since ?? null }]),
  'UPDATE known_database SET comparison_owed_since = NULL': (s) => {
    s.lock('known_database', 'one');
    const known = s.get<KnownDatabase>('known_database', 'one');
    if (known?.comparison_owed_since !== s.value<string>(1)) return touched(0);
    s.put('known_database', 'one', { ...known, comparison_owed_since: null });
    return touched(1);
  },
  'INSERT INTO delivery AS d (controller, recipient, subject_key, exposed': expose,
  'UPDATE delivery d SET revoked = ARRAY': (s) => {
    const recipient = s.value<string>(2);
    const resumed = Map.groupBy(
      s.array<string>(3).map((subjectKey, i) => ({
        subjectKey,
        purpose: s.array<DeliveryRow['revoked'][number]>(4)[i],
        revokeVersion: s.array<number>(5)[i] ?? 0,
      })),
      ({ subjectKey }) => subjectKey,
    );
    for (const subjectKey of resumed.keys()) s.lock('delivery', deliveryKey(recipient, subjectKey));
    return rowsOf(
      [...resumed].flatMap(([subjectKey, told]) => {
        const row = rowAt(s, recipient, subjectKey);
        if (row === undefined || (row.state !== 'none' && row.state !== 'settled')) return [];
        const isAllowedResumed = (p: DeliveryRow['revoked'][number]): boolean =>
          row.desired.includes(p) && told.some(({ purpose }) => purpose === p);
        if (row.revokeVersion !== Math.min(...told.map(({ revokeVersion }) => revokeVersion))) return [];
        if (!row.desired.some(isAllowedResumed)) return [];
        putRow(s, { ...row, revoked: row.revoked.filter((p) => !isAllowedResumed(p)) });
        return [{ subjectKey, version: row.version, now: s.now }];
      }),
    );
  },
  'DELETE FROM exposure e USING erased k': (s) => {
    s.array<string>(2).forEach((recipient, i) => {
      const subjectKey = s.array<string>(3)[i] ?? '';
      const row = rowAt(s, recipient, subjectKey);
      if (row !== undefined) putRow(s, { ...row, exposed: [] });
      for (const e of s.all<ExposureRow>('exposure'))
        if (e.recipient === recipient && e.subjectKey === subjectKey)
          s.delete('exposure', [recipient, subjectKey, e.purpose, e.digest].join(' '));
    });
    return touched(s.array(2).length);
  },
  'INSERT INTO attempt (controller': () => touched(1),
  'array_agg(sealed) AS sealed': (s) => {
    const rows = s.all<ExposureRow>('exposure').filter((e) => e.recipient === s.value(2));
    return rowsOf(
      s.array<string>(3).flatMap((subjectKey) => {
        const sealed = [...new Set(rows.filter((e) => e.subjectKey === subjectKey).map((e) => e.sealed))].sort();
        return sealed.length === 0 ? [] : [{ subjectKey, sealed }];
      }),
    );
  },
  // DLV-7: the comparison's table of people seen is of its session.
  'CREATE TEMP TABLE IF NOT EXISTS seen': () => touched(0),
  'TRUNCATE seen': (s) => {
    s.backend.seen.clear();
    return touched(0);
  },
  'INSERT INTO seen': (s) => {
    for (const key of s.array<string>(1)) s.backend.seen.add(key);
    return touched(s.array(1).length);
  },
  'SELECT DISTINCT recipient, subject_key AS "subjectKey" FROM exposure': (s) => {
    const rows = s
      .all<ExposureRow>('exposure')
      .filter((e) => s.array<string>(2).includes(e.recipient) && e.firstAt < s.value<number>(3))
      .filter((e) => !s.backend.seen.has(e.subjectKey));
    const distinct = new Map(
      rows.map(({ recipient, subjectKey }) => [deliveryKey(recipient, subjectKey), { recipient, subjectKey }]),
    );
    return rowsOf([...distinct.values()]);
  },
};
