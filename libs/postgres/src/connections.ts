import { Socket } from 'node:net';
import { Client, Pool } from 'pg';
import type { ClientConfig, PoolClient } from 'pg';
import { columnTypes } from './column-types.ts';
import { startupOptions } from './session-settings.ts';
import type { SessionSettings } from './session-settings.ts';

interface ConnectionOptions {
  readonly url: string;
  /** The service's own schema; the whole search path. */
  readonly schema: string;
  /** Shown in pg_stat_activity as application_name. */
  readonly name: string;
  readonly connectTimeoutMs?: number;
  /** Hears of connections lost while nobody was using them; the next query reports its own failure. */
  readonly onIdleError?: (error: Error) => void;
}

export interface PoolOptions extends ConnectionOptions {
  readonly max: number;
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  readonly transactionTimeoutMs?: number;
  readonly idleInTransactionTimeoutMs?: number;
  readonly settings?: SessionSettings;
  /** Done on each new connection before anybody is lent it; if it fails the connection is closed, and whoever waits hears why. */
  readonly onConnect?: (client: PoolClient) => Promise<void>;
}

export interface ClientOptions extends ConnectionOptions {
  readonly settings?: SessionSettings;
}

const defaultConnectTimeoutMs = 5_000;
/** How much longer than the server's own limits its silence may last, in milliseconds. */
const silenceMarginMs = 3_000;
/** A pool closes what nobody has used for this long: always before its silence would look like a server's that has vanished. */
const idleMs = 10_000;
/** First keepalive probe after this much silence; detects a vanished server long before the kernel's two hours. */
const keepAliveInitialDelayMs = 1_000;

export function createPool(options: PoolOptions): Pool {
  const settings: SessionSettings = {
    ...(options.statementTimeoutMs === undefined ? {} : { statement_timeout: options.statementTimeoutMs }),
    ...(options.lockTimeoutMs === undefined ? {} : { lock_timeout: options.lockTimeoutMs }),
    ...(options.transactionTimeoutMs === undefined ? {} : { transaction_timeout: options.transactionTimeoutMs }),
    ...(options.idleInTransactionTimeoutMs === undefined
      ? {}
      : { idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs }),
    ...options.settings,
  };
  const longestMs = longestSilenceMs(options);
  const { onConnect } = options;
  const pool = new Pool({
    ...connection(options, settings),
    ...notSilentFor(longestMs),
    idleTimeoutMillis: Math.min(idleMs, (longestMs ?? idleMs) + silenceMarginMs / 2),
    max: options.max,
    // The pool waits for what it returns, though its type does not say so.
    ...(onConnect === undefined ? {} : { onConnect: (client): unknown => onConnect(client as PoolClient) }),
  });
  // Without a listener an idle connection's end would end the process.
  pool.on('error', (error) => options.onIdleError?.(error));
  // A connection may also break while it is checked out and between two queries.
  pool.on('connect', (client) => client.on('error', (error) => options.onIdleError?.(error)));
  return pool;
}

/** Within this time the server has answered or ended the session by itself; null where nothing limits it. */
function longestSilenceMs(options: PoolOptions): number | null {
  const { statementTimeoutMs, transactionTimeoutMs, idleInTransactionTimeoutMs } = options;
  const bound = transactionTimeoutMs ?? statementTimeoutMs;
  return bound === undefined ? null : Math.max(bound, statementTimeoutMs ?? 0, idleInTransactionTimeoutMs ?? 0);
}

/**
 * Ends a connection whose other end has vanished while a statement was on its way: keepalive probes are not sent then, and the
 * kernel would go on sending it for a quarter of an hour.
 */
function notSilentFor(longestMs: number | null): Pick<ClientConfig, 'stream'> {
  if (longestMs === null) return {};
  const ms = longestMs + silenceMarginMs;
  const stream = (): Socket => {
    const socket = new Socket();
    socket.setTimeout(ms, () => socket.destroy(new Error(`the database server was silent for ${ms} ms`)));
    return socket;
  };
  return { stream };
}

/** A dedicated connection, not yet connected: for session locks and LISTEN. */
export function createClient(options: ClientOptions): Client {
  const client = new Client(connection(options, options.settings ?? {}));
  client.on('error', (error) => options.onIdleError?.(error));
  return client;
}

function connection(options: ConnectionOptions, settings: SessionSettings): ClientConfig {
  return {
    connectionString: options.url,
    application_name: options.name,
    options: startupOptions(options.schema, settings),
    types: columnTypes,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveInitialDelayMs,
    connectionTimeoutMillis: options.connectTimeoutMs ?? defaultConnectTimeoutMs,
  };
}
