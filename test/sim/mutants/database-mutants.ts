import type { SimServer } from '../postgres/server.ts';
import { lockSubjectsSql, writeSql } from '../../../services/consent/src/ledger/ledger-sql.ts';
import { ownerSession } from '../../../libs/outbox/src/relay/relay-sql.ts';
import { rowsOf } from '../postgres/shapes.ts';
import type { Handler, Statement } from '../postgres/statement.ts';
import type { Mutations } from './mutations.ts';

const isUrgentPage = (text: string): boolean => text.includes('o.lane = 0') && text.includes('FROM outbox AS o');
const isPage = (text: string): boolean => text.includes('FROM outbox AS o');

type Wrap = (text: string, s: Statement, handler: Handler) => ReturnType<Handler>;

/** Every statement of the consent schema that fits goes through `wrap`. */
const wrapping =
  (fits: (text: string) => boolean, wrap: () => Wrap): Mutations['database'] =>
  (server) => {
    const wrapped = wrap();
    server.around = (text, handler) => {
      if (!fits(text)) return handler;
      return (s) => (s.backend.schema === 'consent' ? wrapped(text, s, handler) : handler(s));
    };
  };

const idOf = (row: object): number => ('id' in row ? Number(row.id) : 0);
const shardOf = (row: object): number => ('shard' in row ? Number(row.shard) : 0);

/** `WHERE id > last`: what commits late with a lower id is never read. */
export const cursorOnSequence = wrapping(isPage, () => {
  const last = new Map<string, number>();
  return (text, s, handler) => {
    const lane = isUrgentPage(text) ? 0 : 1;
    const { rows } = handler(s);
    const unread = rows.filter((row) => idOf(row) > (last.get(`${lane} ${shardOf(row)}`) ?? 0));
    for (const row of unread) last.set(`${lane} ${shardOf(row)}`, idOf(row));
    return rowsOf(unread);
  };
});

/** Rows are marked as sent when they are read. */
export const markedBeforeProduce = wrapping(isPage, () => (_text, s, handler) => {
  const result = handler(s);
  for (const row of result.rows) s.delete('outbox', String(idOf(row)));
  return result;
});

/** Outside a pass rows are looked for this rarely, milliseconds: else the complete log tells what the express lane lacks. */
const seldomMs = 4_000;

const seldom = (inPass: (s: Statement, handler: Handler) => ReturnType<Handler>): Mutations['database'] =>
  wrapping(isPage, () => {
    const looked = new Map<string, number>();
    return (text, s, handler) => {
      if (s.value<number | null>(3) !== null) return inPass(s, handler);
      if (s.now - (looked.get(text) ?? 0) < seldomMs) return rowsOf([]);
      looked.set(text, s.now);
      return handler(s);
    };
  });

/** The pass takes one row for all there are. */
export const proofAfterTruncatedBatch = seldom((s, handler) => rowsOf(handler(s).rows.slice(0, 1)));

/** Proofs go out on their own; rows are published when somebody happens to look. */
export const proofFromTimer = seldom(() => rowsOf([]));

/** The pass proves nothing about who is primary (REL-4 step 4). */
export const unprovenPrimary = wrapping(
  (text) => text.includes('UPDATE relay_shard AS r'),
  () => (_text, s, handler) => {
    s.transaction.synchronous = false;
    return handler(s);
  },
);

/** What changes nothing is answered without a commit that only the true primary can make; so is a snapshot's end (RST-2). */
export const unprovenRead = wrapping(
  (text) => text === lockSubjectsSql || text === writeSql || text.includes('pg_logical_emit_message'),
  () => (text, s, handler) => {
    s.transaction.synchronous = text === writeSql;
    return handler(s);
  },
);

/** REC-5: whoever commits late with a lower id is never numbered. */
export const numbersByCursor = wrapping(
  (text) => text.includes('FROM ledger_pending p JOIN ledger_entry e ON e.id = p.entry_id\n   ORDER BY'),
  () => {
    let last = 0;
    return (_text, s, handler) => {
      const rows = handler(s).rows.filter((row) => entryOf(row) > last);
      last = Math.max(last, ...rows.map(entryOf));
      return rowsOf(rows);
    };
  },
);
const entryOf = (row: object): number => ('entryId' in row ? Number(row.entryId) : 0);

/** REL-2: the server leaves a stopped owner its locks. */
export const ownerNeverFreed = wrapping(
  (text) => text === ownerSession,
  () => (_text, s, handler) => {
    const result = handler(s);
    s.backend.limits = {};
    return result;
  },
);

export const ackBeforeCommit = (server: SimServer): void => {
  server.answersBeforeFlush = true;
  server.flushMs = { least: 5, mean: 60 };
};

/** Without an outbox, what a process had not yet published ends with it. */
export const noOutbox = (server: SimServer): void => {
  server.table('consent.outbox').clear();
};
