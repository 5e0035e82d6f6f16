import type { SimServer } from './server.ts';
import { Blocked, SqlError, type Result, type Session, type SessionLimits, type Transaction } from './shapes.ts';
import { Statement } from './statement.ts';
import { handlerOf } from './statements.ts';

/** Names with their schemas, each put together once. */
const tableNames = new Map<string, Map<string, string>>();

function namesIn(schema: string): Map<string, string> {
  let names = tableNames.get(schema);
  if (names === undefined) tableNames.set(schema, (names = new Map<string, string>()));
  return names;
}

interface Request {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly answer: (result: Result | Error) => void;
}

/** Pause before a blocked statement looks again, milliseconds. */
const lockLookMs = 3;

/** The server's side of one connection: one statement at a time, in a transaction or by itself. */
export class Backend implements Session {
  server: SimServer;
  readonly schema: string;
  limits: SessionLimits;
  synchronousByDefault = true;
  transaction: Transaction | null = null;
  readonly held = new Set<string>();
  /** The temporary table of a comparison (DLV-7). */
  readonly seen = new Set<string>();
  onTerminated: (error: SqlError) => void = () => {};
  onNotice: (code: string) => void = () => {};
  onNotification: (payload: string) => void = () => {};
  readonly #names: Map<string, string>;
  readonly #queue: Request[] = [];
  #busy = false;
  #over = false;
  #heardAt: number;
  #idleWatched = false;

  constructor(server: SimServer, schema: string, limits: SessionLimits) {
    this.server = server;
    this.schema = schema;
    this.#names = namesIn(schema);
    this.limits = limits;
    this.#heardAt = server.scheduler.now;
    server.backends.add(this);
  }

  get over(): boolean {
    return this.#over;
  }

  receive(request: Request): void {
    if (this.#over) return;
    this.#queue.push(request);
    this.#next();
  }

  /** The client is gone, or the server wants it gone: everything the session held is free. */
  terminate(code: string, message: string): void {
    if (this.#over) return;
    this.#over = true;
    this.transaction = null;
    // Also those of a statement by itself that was being flushed.
    for (const [lock, holder] of this.server.locks) if (holder === this) this.server.locks.delete(lock);
    for (const name of this.held) this.unlockAdvisory(name);
    for (const listeners of this.server.listeners.values()) listeners.delete(this);
    this.server.backends.delete(this);
    this.onTerminated(new SqlError(code, message));
  }

  tableName(table: string): string {
    let name = this.#names.get(table);
    if (name === undefined) this.#names.set(table, (name = `${this.schema}.${table}`));
    return name;
  }

  lockAdvisory(name: string, shared: boolean): boolean {
    const holders = this.server.advisory.get(name) ?? new Set<Session>();
    if (!shared && [...holders].some((holder) => holder !== this)) return false;
    this.server.advisory.set(name, holders.add(this));
    this.held.add(name);
    return true;
  }

  unlockAdvisory(name: string): void {
    this.server.advisory.get(name)?.delete(this);
    this.held.delete(name);
  }

  #next(): void {
    if (this.#busy || this.#over) return;
    const request = this.#queue.shift();
    if (request === undefined) return this.#watchIdle();
    this.#busy = true;
    this.#heardAt = this.server.scheduler.now;
    this.#execute(request, this.server.scheduler.now);
  }

  #done(request: Request, result: Result | Error): void {
    this.#busy = false;
    this.#heardAt = this.server.scheduler.now;
    request.answer(result);
    this.#next();
  }

  #execute(request: Request, began: number): void {
    if (this.#over) return;
    const control = this.#control(request);
    if (control !== null) return control();
    const handler = this.server.around(request.text, handlerOf(request.text));
    if (this.transaction?.failed) return this.#done(request, new SqlError('25P02', 'the transaction is aborted'));
    const own = this.transaction ?? this.#begin(false);
    const statement = new Statement(this, own, request.values);
    let result: Result;
    try {
      result = handler(statement);
    } catch (error) {
      if (error instanceof Blocked) return this.#wait(request, began, own);
      if (!(error instanceof SqlError)) throw error;
      own.failed = true;
      if (!own.explicit) this.#release(own);
      return this.#done(request, error);
    }
    statement.adopt();
    if (own.explicit) return this.#done(request, result);
    this.#commit(own, (lost) => this.#done(request, lost ?? result));
  }

  #wait(request: Request, began: number, own: Transaction): void {
    const { scheduler } = this.server;
    const { lockMs = Infinity, statementMs = Infinity } = this.limits;
    const waited = scheduler.now - began;
    if (waited >= Math.min(lockMs, statementMs)) {
      own.failed = true;
      if (!own.explicit) this.#release(own);
      return this.#done(request, new SqlError(lockMs < statementMs ? '55P03' : '57014', 'waited too long for a lock'));
    }
    if (!own.explicit) this.#release(own);
    scheduler.atSilently(scheduler.now + lockLookMs, () => this.#execute(request, began));
  }

  /** BEGIN, COMMIT, ROLLBACK; null for everything else. */
  #control(request: Request): (() => void) | null {
    switch (request.text) {
      case 'BEGIN':
        return () => {
          const begun = (this.transaction = this.#begin(true));
          const { transactionMs } = this.limits;
          if (transactionMs !== undefined)
            begun.timeout = this.server.scheduler.atSilently(this.server.scheduler.now + transactionMs, () => {
              if (this.transaction === begun) this.terminate('25P04', 'transaction timeout');
            });
          this.#done(request, { rows: [], rowCount: 0, command: 'BEGIN' });
        };
      case 'COMMIT':
        return () => {
          const { transaction } = this;
          if (transaction === null || transaction.failed) {
            this.#rollback();
            return this.#done(request, { rows: [], rowCount: 0, command: 'ROLLBACK' });
          }
          this.#commit(transaction, (lost) => {
            this.transaction = null;
            this.#done(request, lost ?? { rows: [], rowCount: 0, command: 'COMMIT' });
          });
        };
      case 'ROLLBACK':
        return () => {
          this.#rollback();
          this.#done(request, { rows: [], rowCount: 0, command: 'ROLLBACK' });
        };
      default:
        return null;
    }
  }

  #begin(explicit: boolean): Transaction {
    const synchronous = this.synchronousByDefault;
    return { explicit, writes: new Map(), locks: new Set(), synchronous, failed: false, timeout: null };
  }

  #commit(own: Transaction, done: (lost: Error | null) => void): void {
    const { server } = this;
    const end = (): void => {
      server.apply(own.writes, own.synchronous);
      this.#release(own);
      done(null);
    };
    if (own.writes.size === 0) {
      this.#release(own);
      return done(null);
    }
    if (!own.synchronous) return end();
    if (server.deposed) return this.#neverAcknowledged(own, done);
    if (server.answersBeforeFlush && own.explicit) {
      server.scheduler.after(server.flushDelay(), () => server.up && server.apply(own.writes, true), null);
      this.#release(own);
      return done(null);
    }
    server.scheduler.atSilently(server.scheduler.now + server.flushDelay(), () => this.#over || end());
  }

  /**
   * No standby follows any more. The wait has no end, except that a statement timeout cancels it: then the commit stands
   * here alone, and the answer carries a warning (RST-1).
   */
  #neverAcknowledged(own: Transaction, done: (lost: Error | null) => void): void {
    const { server } = this;
    const { statementMs } = this.limits;
    if (statementMs === undefined) return;
    server.scheduler.after(
      statementMs,
      () => {
        if (this.#over) return;
        server.apply(own.writes, true);
        this.#release(own);
        this.onNotice('01000');
        done(null);
      },
      null,
    );
  }

  #rollback(): void {
    if (this.transaction !== null) this.#release(this.transaction);
    this.transaction = null;
  }

  #release(own: Transaction): void {
    if (own.timeout !== null) own.timeout.cancelled = true;
    for (const lock of own.locks) if (this.server.locks.get(lock) === this) this.server.locks.delete(lock);
    own.locks.clear();
  }

  /** idle_session_timeout and idle_in_transaction_session_timeout, looked at lazily. */
  #watchIdle(): void {
    const idleMs = this.limits.idleMs;
    if (idleMs === undefined || this.#idleWatched) return;
    this.#idleWatched = true;
    const look = (): void => {
      if (this.#over) return;
      const { now } = this.server.scheduler;
      if (!this.#busy && now - this.#heardAt >= idleMs) return this.terminate('57P05', 'idle session timeout');
      this.server.scheduler.at(Math.max(this.#heardAt + idleMs, now + 50), look, null);
    };
    this.server.scheduler.at(this.#heardAt + idleMs, look, null);
  }
}
