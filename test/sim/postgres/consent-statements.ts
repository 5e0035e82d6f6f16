import type { CatalogueDocument, ConsentVector } from '@entente/contracts';
import { createHash } from 'node:crypto';
import { startsSql } from '../../../services/consent/src/gates/wait-for-gates.ts';
import * as ledgerSql from '../../../services/consent/src/ledger/ledger-sql.ts';
import * as restoreSql from '../../../services/consent/src/restore/restore-sql.ts';
import { appendOutbox, isoMicros, type GateRow } from './outbox-statements.ts';
import { rowsOf, touched } from './shapes.ts';
import type { Handlers, Statement } from './statement.ts';

export interface SubjectRow {
  readonly controller: string;
  readonly subjectKey: string;
  readonly version: number;
  readonly vector: ConsentVector;
  readonly identifiersSealed: string;
}

export interface LedgerEntryRow {
  readonly id: number;
  readonly changeId: string;
  readonly controller: string;
  readonly subjectKey: string;
  readonly version: number;
  readonly purposes: readonly string[];
  readonly entry: string;
  readonly committedAt: string;
}

export interface ChainRow {
  readonly number: number;
  readonly entryId: string;
  readonly hash: Buffer;
}

export interface IncarnationRow {
  readonly incarnation: number;
  readonly systemIdentifier: string | null;
  readonly timeline: number | null;
  /** Database milliseconds. */
  readonly raisedAt: number | null;
}

interface RestoreRow {
  readonly mergedBelow: number;
  /** The end of each log that was merged, by its place. */
  readonly ends: Readonly<Record<string, string>>;
}

export interface CatalogueRow {
  readonly number: number;
  readonly controller: string;
  readonly document: CatalogueDocument;
}

/** A text that no key opens: the run plans no identifiers, and the shipped code then seals none. */
export const noIdentifiers = 'none';

/** To an entry without a salt: the run has no data keys. */
export const commitmentOf = (entry: string): Buffer => createHash('sha256').update(entry).digest();

const subjectId = (controller: string, key: string): string => `${controller} ${key}`;
const incarnationOf = (s: Statement): IncarnationRow =>
  s.get<IncarnationRow>('incarnation', 'one') ?? {
    incarnation: 0,
    systemIdentifier: null,
    timeline: null,
    raisedAt: null,
  };
const catalogueOf = (s: Statement): CatalogueRow | undefined => s.get<CatalogueRow>('catalogue', 'one');

/** The newest link, kept beside the chain: it is asked for many times a second. */
const head = (s: Statement): ChainRow | undefined => s.get<ChainRow>('ledger_head', 'one');

const changesHeld = (s: Statement): Set<string> =>
  new Set(s.all<LedgerEntryRow>('ledger_entry').map(({ changeId }) => changeId));

const chained = (s: Statement): Set<string> => new Set(s.all<ChainRow>('ledger_chain').map(({ entryId }) => entryId));

interface WrittenState {
  readonly controller: string;
  readonly subject_key: string;
  readonly version: number;
  readonly vector: ConsentVector;
}
interface WrittenEntry {
  readonly change_id: string;
  readonly controller: string;
  readonly subject_key: string;
  readonly version: number;
  readonly purposes: readonly string[];
  readonly entry: object;
}
interface WrittenOutbox {
  readonly event_id: string;
  readonly aggregatetype: string;
  readonly aggregateid: string;
  readonly type: string;
  readonly payload: object;
  readonly lane: number;
  readonly shard: number;
}
interface WrittenKey {
  readonly controller: string;
  readonly client: string;
  readonly route: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly answer: { readonly committedAt: string };
}

/** The lost version that a ledger entry makes good for; 0 where it makes good for none. */
export const restoredVersion = (entry: string): number =>
  (JSON.parse(entry) as { restored?: { version: number } }).restored?.version ?? 0;

/** The consent service's statements: ledger, catalogue, sequencer, snapshot. */
export const consentHandlers: Handlers = {
  [ledgerSql.lockSubjectsSql]: (s) => {
    const keys = s.array<string>(2).map((key, i) => ({ controller: s.array<string>(1)[i] ?? '', key }));
    keys.sort((a, b) => (subjectId(a.controller, a.key) < subjectId(b.controller, b.key) ? -1 : 1));
    for (const { controller, key } of keys) s.lock('subject', subjectId(controller, key));
    return rowsOf(
      keys.map(({ controller, key }) => {
        const held = s.get<SubjectRow>('subject', subjectId(controller, key));
        const row: SubjectRow = held ?? {
          controller,
          subjectKey: key,
          version: 0,
          vector: {},
          identifiersSealed: noIdentifiers,
        };
        s.put('subject', subjectId(controller, key), row);
        return { ...row, now: isoMicros(s.now) };
      }),
    );
  },
  [ledgerSql.decisionBasisSql]: (s) => {
    const answered = s.array<string>(4).flatMap((key, i) => {
      const [controller, client, route] = [s.array<string>(1)[i], s.array<string>(2)[i], s.array<string>(3)[i]];
      const held = s.get<WrittenKey>('idempotency', JSON.stringify([controller, client, route, key]));
      return held === undefined ? [] : [held];
    });
    return rowsOf([
      { catalogueNumber: catalogueOf(s)?.number ?? 0, incarnation: incarnationOf(s).incarnation, answered },
    ]);
  },
  [ledgerSql.standingRecordsSql]: (s) => {
    const asked = s.json<{ at: number; controller: string; subject_key: string; purposes: string[] | null }[]>(1);
    const entries = s.all<LedgerEntryRow>('ledger_entry');
    return rowsOf(
      asked.flatMap(({ at, controller, subject_key, purposes }) => {
        const theirs = entries.filter((e) => e.controller === controller && e.subjectKey === subject_key);
        const touching = theirs.filter((e) => purposes === null || e.purposes.some((p) => purposes.includes(p)));
        const [newest] = touching.sort((a, b) => b.version - a.version);
        if (newest === undefined) return [];
        const { changeId, version, committedAt } = newest;
        return [{ at, changeId, version, committedAt, isOnly: theirs.every((e) => e.version === version) }];
      }),
    );
  },
  [ledgerSql.dropUnusedSubjectsSql]: (s) => {
    s.array<string>(2).forEach((key, i) => {
      const id = subjectId(s.array<string>(1)[i] ?? '', key);
      if (s.get<SubjectRow>('subject', id)?.version === 0) s.delete('subject', id);
    });
    return touched(s.array(2).length);
  },
  [ledgerSql.writeSql]: (s) => {
    const outbox = s.json<WrittenOutbox[]>(3);
    const committedAt = appendOutbox(
      s,
      outbox.map((r) => ({
        eventId: r.event_id,
        topic: r.aggregatetype,
        key: r.aggregateid,
        type: r.type,
        lane: r.lane,
        shard: r.shard,
      })),
      outbox.map(({ payload }) => payload),
    );
    for (const { controller, subject_key, version, vector } of s.json<WrittenState[]>(1)) {
      const row: SubjectRow = {
        controller,
        subjectKey: subject_key,
        version,
        vector,
        identifiersSealed: noIdentifiers,
      };
      s.put('subject', subjectId(controller, subject_key), row);
    }
    for (const { change_id, controller, subject_key, version, purposes, entry } of s.json<WrittenEntry[]>(2)) {
      const id = s.nextValue('ledger_entry_id');
      const text = JSON.stringify({ ...entry, committedAt });
      const row = {
        id,
        changeId: change_id,
        controller,
        subjectKey: subject_key,
        version,
        purposes,
        entry: text,
        committedAt,
      };
      s.put('ledger_entry', String(id), row);
      s.put('ledger_pending', String(id), { id });
    }
    for (const key of s.json<WrittenKey[]>(4)) {
      const { controller, client, route, answer } = key;
      const stamped = answer.committedAt === '' ? { ...key, answer: { ...answer, committedAt } } : key;
      s.put('idempotency', JSON.stringify([controller, client, route, key.key]), stamped);
    }
    return rowsOf([{ committedAt }]);
  },
  'SELECT (SELECT number FROM catalogue) AS catalogue, (SELECT incarnation FROM incarnation) AS incarnation': (s) => {
    const { number = 0, hash } = head(s) ?? {};
    const facts = { catalogue: catalogueOf(s)?.number ?? 0, incarnation: incarnationOf(s).incarnation };
    return rowsOf([{ ...facts, number, hash: hash?.toString('hex') ?? '0'.repeat(64) }]);
  },
  'SELECT 1 FROM ledger_chain WHERE number': (s) => {
    const row = s.get<ChainRow>('ledger_chain', String(s.value(1)));
    const isMerged = s.all<RestoreRow>('restore').some(({ mergedBelow }) => mergedBelow > s.value<number>(3));
    return isMerged || row?.hash.toString('hex') === s.value(2) ? rowsOf([{}]) : rowsOf([]);
  },
  'AS p(change_id, place, at)\n    LEFT JOIN ledger_entry': (s) => {
    const held = changesHeld(s);
    const restores = s.all<RestoreRow>('restore');
    const isMerged = (place: string, at: number): boolean => restores.some(({ ends }) => Number(ends[place] ?? 0) > at);
    const isLost = s
      .array<string>(1)
      .some((id, i) => !held.has(id) && !isMerged(s.array<string>(2)[i] ?? '', Number(s.array<string>(3)[i])));
    return isLost ? rowsOf([{}]) : rowsOf([]);
  },
  'UPDATE incarnation i': (s) => {
    s.lock('incarnation', 'one');
    const held = incarnationOf(s);
    const { systemIdentifier, timeline } = s.backend.server;
    if (held.systemIdentifier === systemIdentifier && held.timeline === timeline) return rowsOf([]);
    const raised = Math.max(held.incarnation + 1, 4 * (timeline - 1));
    const incarnation = held.systemIdentifier === null ? held.incarnation : raised;
    const raisedAt = held.systemIdentifier === null ? null : s.now;
    s.put('incarnation', 'one', { incarnation, systemIdentifier, timeline, raisedAt } satisfies IncarnationRow);
    return rowsOf([{ incarnation }]);
  },
  [restoreSql.backupEndSql]: (s) => {
    const newest = s.all<LedgerEntryRow>('ledger_entry').map(({ committedAt }) => Date.parse(committedAt));
    return rowsOf([
      {
        backupEnd: newest.length === 0 ? null : Math.max(...newest),
        now: s.now,
        catalogue: catalogueOf(s)?.number ?? 0,
        incarnation: incarnationOf(s).incarnation,
      },
    ]);
  },
  [restoreSql.mergedEndsSql]: (s) => {
    const ends = new Map<string, number>();
    for (const restore of s.all<RestoreRow>('restore'))
      for (const [place, at] of Object.entries(restore.ends))
        ends.set(place, Math.max(ends.get(place) ?? 0, Number(at)));
    return rowsOf([...ends].map(([place, end]) => ({ place, end })));
  },
  [restoreSql.unheldSql]: (s) => {
    const held = changesHeld(s);
    return rowsOf(
      s
        .array<string>(1)
        .filter((id) => !held.has(id))
        .map((id) => ({ id })),
    );
  },
  [restoreSql.madeGoodSql]: (s) => {
    const entries = s.all<LedgerEntryRow>('ledger_entry');
    const restoredTo = (subjectKey: string): number =>
      Math.max(0, ...entries.filter((e) => e.subjectKey === subjectKey).map(({ entry }) => restoredVersion(entry)));
    return rowsOf(
      s.array<string>(2).flatMap((key, i) => (restoredTo(key) >= (s.array<number>(3)[i] ?? 0) ? [{ at: i + 1 }] : [])),
    );
  },
  [restoreSql.raiseAboveSql]: (s) => {
    s.lock('incarnation', 'one');
    const { systemIdentifier, timeline } = s.backend.server;
    const held = incarnationOf(s);
    const incarnation = Math.max(held.incarnation, s.value<number>(1) + 1);
    const raisedAt = incarnation === held.incarnation ? held.raisedAt : s.now;
    s.put('incarnation', 'one', { incarnation, systemIdentifier, timeline, raisedAt } satisfies IncarnationRow);
    return rowsOf([{ incarnation }]);
  },
  [restoreSql.recordSql]: (s) => {
    s.put('restore', String(s.nextValue('restore_id')), { mergedBelow: s.value(1), ends: s.json(2) });
    return touched(1);
  },
  'SELECT DISTINCT controller FROM purpose': (s) => rowsOf([{ controller: catalogueOf(s)?.controller }]),
  'SELECT event_id AS id FROM catalogue_change': () => rowsOf([]),
  [startsSql]: (s) => {
    const gates = s.all<GateRow>('gate').filter(({ controller }) => controller === s.value(1));
    const { raisedAt } = incarnationOf(s);
    const mayLack = raisedAt !== null && raisedAt > s.now - s.value<number>(2) * 1_000;
    return rowsOf([{ starts: gates.map(({ startId }) => startId), mayLack }]);
  },
  'SELECT incarnation FROM incarnation': (s) => rowsOf([{ incarnation: incarnationOf(s).incarnation }]),
  'AS controllers\n  FROM catalogue c': (s) => {
    const row = catalogueOf(s);
    if (row === undefined) return rowsOf([]);
    const { controller, document, number } = row;
    const { purposes, notices, recipients } = document;
    return rowsOf([{ number, controllers: [{ controller, purposes, notices, recipients }] }]);
  },
  "pg_try_advisory_xact_lock(hashtextextended('entente.sequencer'": (s) => {
    const mine = !s.isLockedByAnother('sequencer', 'one');
    if (mine) s.lock('sequencer', 'one');
    return rowsOf([{ mine }]);
  },
  'SELECT 1 FROM ledger_pending': (s) => rowsOf(s.isEmpty('ledger_pending') ? [] : [{}]),
  'FROM ledger_pending p JOIN ledger_entry e ON e.id = p.entry_id\n   ORDER BY': (s) =>
    rowsOf(
      s
        .all<{ id: number }>('ledger_pending')
        .sort((a, b) => a.id - b.id)
        .map(({ id }) => {
          const entry = s.get<LedgerEntryRow>('ledger_entry', String(id))?.entry ?? '';
          return { entryId: String(id), commitment: commitmentOf(entry) };
        }),
    ),
  'done AS (DELETE FROM ledger_pending': (s) => {
    s.array<number>(1).forEach((number, i) => {
      const entryId = s.array<string>(2)[i] ?? '';
      s.delete('ledger_pending', entryId);
      const link = { number, entryId, hash: s.array<Buffer>(4)[i] };
      s.put('ledger_chain', String(number), link);
      if (i === s.array(1).length - 1) s.put('ledger_head', 'one', link);
    });
    return touched(s.array(1).length);
  },
  'SELECT number, hash FROM ledger_chain ORDER BY number DESC LIMIT 1': (s) => {
    const newest = head(s);
    return rowsOf(newest === undefined ? [] : [{ number: newest.number, hash: newest.hash }]);
  },
  'version, vector FROM subject\n   WHERE controller = $1 AND subject_key > $2': (s) =>
    rowsOf(
      s
        .all<SubjectRow>('subject')
        .filter((r) => r.controller === s.value(1) && r.subjectKey > s.value<string>(2) && r.version > 0)
        .sort((a, b) => (a.subjectKey < b.subjectKey ? -1 : 1))
        .map(({ subjectKey, version, vector }) => ({ subjectKey, version, vector })),
    ),
  pg_logical_emit_message: (s) => {
    s.put('logical_message', String(s.nextValue('logical_message')), {});
    return rowsOf([{}]);
  },
  // REL-5: subjects with entries above a number or not numbered yet, and their entries since.
  'SELECT e.controller, e.subject_key AS "subjectKey"\n    FROM ledger_chain c': (s) => {
    const done = chained(s);
    const recent = new Set(
      s
        .all<ChainRow>('ledger_chain')
        .filter(({ number }) => number > s.value<number>(1))
        .map(({ entryId }) => entryId),
    );
    const entries = s
      .all<LedgerEntryRow>('ledger_entry')
      .filter(({ id }) => recent.has(String(id)) || !done.has(String(id)));
    return rowsOf(
      [...new Map(entries.map((e) => [subjectId(e.controller, e.subjectKey), e])).values()].map(
        ({ controller, subjectKey }) => ({ controller, subjectKey }),
      ),
    );
  },
  'jsonb_agg(e.entry::jsonb ORDER BY e.version)': (s) => {
    const numbers = new Map(s.all<ChainRow>('ledger_chain').map(({ entryId, number }) => [entryId, number]));
    const since = s.value<number>(3);
    return rowsOf(
      s.array<string>(2).map((subjectKey, index) => {
        const entries = s
          .all<LedgerEntryRow>('ledger_entry')
          .filter((e) => e.subjectKey === subjectKey && (numbers.get(String(e.id)) ?? Infinity) > since)
          .sort((a, b) => a.version - b.version)
          .map(({ entry }) => JSON.parse(entry) as object);
        return { controller: s.array<string>(1)[index], subjectKey, identifiersSealed: null, entries };
      }),
    );
  },
};
