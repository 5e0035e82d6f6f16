import type { Random } from '../engine/random.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import { beginningMs } from '../engine/virtual-host.ts';
import type { Row, ServerState, Session } from './shapes.ts';
import type { Handler } from './statement.ts';

/** A session the server can end, or leave to a copy of itself. */
interface Connected extends Session {
  server: SimServer;
  terminate(code: string, message: string): void;
}

export interface Write {
  readonly table: string;
  readonly key: string;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

interface Commit {
  readonly at: number;
  readonly writes: readonly Write[];
}

/** Commits remembered: more than any crash or failover here takes back. */
const journalKept = { least: 2_000, most: 6_000 };
/** Asynchronous commits reach the disk within this, milliseconds (three rounds of the WAL writer). */
const walWriterMs = 600;

/**
 * Tables, locks and the write-ahead log of one Postgres server. Rows are values. A commit is visible when it is flushed (a
 * synchronous one) or at once (an asynchronous one, which a crash may take back).
 */
export class SimServer implements ServerState {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly tables = new Map<string, Map<string, Row>>();
  readonly sequences = new Map<string, number>();
  /** Row locks: `table key` → who holds it. */
  readonly locks = new Map<string, Session>();
  /** Advisory locks of sessions, by name. */
  readonly advisory = new Map<string, Set<Session>>();
  readonly backends = new Set<Connected>();
  readonly listeners = new Map<string, Set<Session>>();
  systemIdentifier = 'sim-1';
  timeline = 1;
  /** Failovers of schemas whose database is a server of their own. */
  readonly #ownFailovers = new Map<string, number>();
  up = true;
  /** `synchronous_standby_names` is set: what was answered stands on whoever may be promoted (RST-3). */
  synchronousStandby = true;
  /** Another server was promoted: nothing here is ever synchronous again (REL-4 step 4). */
  deposed = false;
  /** What a flush takes, milliseconds. */
  flushMs = { least: 0.2, mean: 0.6 };
  /** Planted bugs: a COMMIT is answered before its flush; a statement is carried out differently. */
  answersBeforeFlush = false;
  around: (text: string, handler: Handler) => Handler = (_text, handler) => handler;
  /** Hears each commit in the instant in which it becomes visible. */
  onCommit: (writes: readonly Write[]) => void = () => {};
  /** Hears what a crash or a failover took back, the newest write first. */
  onLost: (writes: readonly Write[]) => void = () => {};
  #journal: Commit[] = [];
  /** How many of them are on disk. */
  #flushed = 0;

  constructor(scheduler: Scheduler, random: Random) {
    this.scheduler = scheduler;
    this.random = random;
  }

  /** Database time, milliseconds since 1970 with microseconds. */
  get wallMs(): number {
    return beginningMs + Math.round(this.scheduler.now * 1000) / 1000;
  }

  timelineOf(schema: string): number {
    return this.timeline + (this.#ownFailovers.get(schema) ?? 0);
  }

  table(name: string): Map<string, Row> {
    let table = this.tables.get(name);
    if (table === undefined) this.tables.set(name, (table = new Map<string, Row>()));
    return table;
  }

  nextValue(sequence: string): number {
    const next = (this.sequences.get(sequence) ?? 0) + 1;
    this.sequences.set(sequence, next);
    return next;
  }

  /** Writes become visible, in this instant. */
  apply(writes: ReadonlyMap<string, ReadonlyMap<string, Row | undefined>>, synchronous: boolean): void {
    const done: Write[] = [];
    for (const [name, rows] of writes) {
      const table = this.table(name);
      for (const [key, after] of rows) {
        done.push({ table: name, key, before: table.get(key), after });
        if (after === undefined) table.delete(key);
        else table.set(key, after);
      }
    }
    const { now } = this.scheduler;
    // The log is written in order: what is flushed now takes along everything before it.
    this.#journal.push({ at: now, writes: done });
    if (synchronous) this.#flushed = this.#journal.length;
    if (this.#journal.length > journalKept.most) {
      const dropped = this.#journal.length - journalKept.least;
      this.#journal = this.#journal.slice(dropped);
      this.#flushed -= dropped;
    }
    this.onCommit(done);
  }

  flushDelay(): number {
    return this.flushMs.least + this.random.exponential(this.flushMs.mean);
  }

  /** kill -9 of the server: connections end, and so does what no flush had reached. */
  crash(): void {
    this.up = false;
    for (const backend of [...this.backends]) backend.terminate('57P01', 'the server crashed');
    const { now } = this.scheduler;
    this.#takeBack(({ at }, index) => index >= this.#flushed && now - at < walWriterMs);
  }

  start(): void {
    this.up = true;
  }

  /** What a copy lacks that was made `ageMs` ago. */
  since(ageMs: number): Write[] {
    const { now } = this.scheduler;
    const first = this.#journal.findIndex(({ at }) => now - at < ageMs);
    return first < 0 ? [] : this.#journal.slice(first).flatMap(({ writes }) => writes);
  }

  /** An older copy is put in its place; it looks the same, and is not up yet. */
  putBack(ageMs: number): void {
    this.crash();
    const { now } = this.scheduler;
    this.#takeBack(({ at }) => now - at < ageMs);
  }

  /**
   * A standby takes over. @param lostMs commits of so long before it that the standby had not received: 0 where
   * `synchronous_standby_names` is as RST-3 wants it.
   */
  promote(lostMs: number): void {
    this.crash();
    const { now } = this.scheduler;
    if (lostMs > 0) this.#takeBack(({ at }) => now - at < lostMs);
    this.timeline += 1;
    this.up = true;
  }

  /** The same for one schema alone, as if it were on a server of its own. */
  promoteOwn(schema: string, lostMs: number): void {
    for (const backend of [...this.backends])
      if (backend.schema === schema) backend.terminate('57P01', 'the server crashed');
    const { now } = this.scheduler;
    const own = ({ table }: Write): boolean => table.startsWith(`${schema}.`);
    const first = this.#journal.findIndex(({ at }) => now - at < lostMs);
    const tail = first < 0 ? [] : this.#journal.splice(first);
    this.#journal.push(...tail.map(({ at, writes }) => ({ at, writes: writes.filter((write) => !own(write)) })));
    this.#undo(tail.map(({ writes }) => writes.filter(own)));
    this.#ownFailovers.set(schema, (this.#ownFailovers.get(schema) ?? 0) + 1);
  }

  /** A copy that goes on by itself: the old primary, still up, for those that stay connected to it. */
  splitOff(): SimServer {
    const old = new SimServer(this.scheduler, this.random);
    for (const [name, rows] of this.tables) old.tables.set(name, new Map(rows));
    for (const [name, value] of this.sequences) old.sequences.set(name, value);
    for (const [name, holders] of this.advisory) old.advisory.set(name, new Set(holders));
    for (const [name, holder] of this.locks) old.locks.set(name, holder);
    for (const backend of this.backends) {
      backend.server = old;
      old.backends.add(backend);
    }
    old.around = this.around;
    old.deposed = true;
    old.synchronousStandby = this.synchronousStandby;
    old.timeline = this.timeline;
    for (const [schema, count] of this.#ownFailovers) old.#ownFailovers.set(schema, count);
    this.backends.clear();
    this.advisory.clear();
    this.locks.clear();
    this.listeners.clear();
    return old;
  }

  #takeBack(lost: (commit: Commit, index: number) => boolean): void {
    const first = this.#journal.findIndex(lost);
    if (first < 0) return;
    const gone = this.#journal.splice(first);
    this.#flushed = Math.min(this.#flushed, first);
    this.#undo(gone.map(({ writes }) => writes));
  }

  #undo(lost: readonly (readonly Write[])[]): void {
    for (const made of [...lost].reverse()) {
      const writes = [...made].reverse();
      for (const { table, key, before } of writes) {
        if (before === undefined) this.table(table).delete(key);
        else this.table(table).set(key, before);
      }
      if (writes.length > 0) this.onLost(writes);
    }
  }
}
