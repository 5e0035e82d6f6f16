export type Row = Readonly<Record<string, unknown>>;

export interface Result {
  readonly rows: readonly Row[];
  readonly rowCount: number;
  readonly command: string;
}

export const rowsOf = (rows: readonly Row[]): Result => ({ rows, rowCount: rows.length, command: 'SELECT' });
export const touched = (rowCount: number): Result => ({ rows: [], rowCount, command: 'UPDATE' });

/** What a session was opened with, milliseconds; absent = no limit. */
export interface SessionLimits {
  readonly lockMs?: number;
  readonly transactionMs?: number;
  readonly idleMs?: number;
  readonly statementMs?: number;
}

export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** A statement met a row that another transaction holds. */
export class Blocked extends Error {
  readonly lock: string;

  constructor(lock: string) {
    super('blocked');
    this.lock = lock;
  }
}

export interface Transaction {
  readonly explicit: boolean;
  readonly writes: Map<string, Map<string, Row | undefined>>;
  readonly locks: Set<string>;
  synchronous: boolean;
  failed: boolean;
  /** What ends it when it takes too long. */
  timeout: { cancelled: boolean } | null;
}

/** A server as its statements see it. */
export interface ServerState {
  readonly wallMs: number;
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** As a session of this schema is told. */
  timelineOf(schema: string): number;
  readonly synchronousStandby: boolean;
  readonly sequences: Map<string, number>;
  /** Row locks: `table key` → who holds it. */
  readonly locks: Map<string, Session>;
  /** Advisory locks of sessions, by name. */
  readonly advisory: Map<string, Set<Session>>;
  readonly listeners: Map<string, Set<Session>>;
  table(name: string): Map<string, Row>;
  nextValue(sequence: string): number;
}

/** A session as its statements see it. */
export interface Session {
  readonly server: ServerState;
  readonly schema: string;
  limits: SessionLimits;
  /** The temporary table of a comparison (DLV-7). */
  readonly seen: Set<string>;
  onNotification: (payload: string) => void;
  /** With its schema. */
  tableName(table: string): string;
  lockAdvisory(name: string, shared: boolean): boolean;
  unlockAdvisory(name: string): void;
}
