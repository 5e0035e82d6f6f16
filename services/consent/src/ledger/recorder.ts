import { noTracing, type Clock, type Logger, type Span, type Tracing } from '@entente/observability';
import { createPool } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { CONSENT_SCHEMA } from '../migrations/schema.ts';
import type { Recorded } from './answer.ts';
import { Batcher } from './batcher.ts';
import { isDenying, placeOf } from './command.ts';
import type { Command } from './command.ts';
import { failureOf } from './failure-kind.ts';
import { gaveUp, overloaded } from './failures.ts';
import type { Ledger } from './ledger.ts';

/** REC-2: longest transaction and longest pause inside one, in milliseconds. */
const writerTimeoutMs = 1_000;
/** A little less, so that a wait for a lock ends as an error and not, by the transaction's own limit, as the session's end. */
const lockTimeoutMs = 900;
/** REC-2: most requests in one transaction; bounds how long its locks are held. */
const maxBatch = 200;
const coalesceMs = 2;

/** Transactions of one kind that may be open at once. */
const connections = { deny: 4, grant: 3 };
/** How long a request is retried before its caller is told to try again, in milliseconds; under usual client timeouts. */
const deadlineMs = { deny: 8_000, grant: 4_000 };
const maxQueued = { deny: 50_000, grant: 10_000 };
/** People are deciding for themselves until this long after the last of them, in milliseconds. */
const liveMs = 1_000;

export interface RecorderOptions {
  readonly databaseUrl: string;
  readonly instance: string;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Logger;
  /** After each commit that may have written outbox rows. */
  readonly onCommitted: () => void;
  readonly tracing?: Tracing;
}

/** Group commit with separate batches and connections for denying (REC-2), so that no grant stands in a denial's way. */
export class Recorder {
  readonly #pools: { readonly deny: Pool; readonly grant: Pool };
  readonly #tracing: Tracing;
  readonly #clock: Clock;
  #lastAt = -Infinity;
  readonly #batchers: { readonly deny: Batcher<Command, Recorded>; readonly grant: Batcher<Command, Recorded> };

  constructor(options: RecorderOptions) {
    this.#pools = {
      deny: writerPool('deny', { ...options, max: connections.deny }),
      grant: writerPool('grant', { ...options, max: connections.grant }),
    };
    this.#tracing = options.tracing ?? noTracing;
    this.#clock = options.clock;
    this.#batchers = {
      deny: batcher('deny', this.#pools.deny, options),
      grant: batcher('grant', this.#pools.grant, options),
    };
  }

  /** Whether anybody's own decision came to this process just now; imports make way for them. */
  isLive(): boolean {
    return this.#clock.monotonic() - this.#lastAt < liveMs;
  }

  record(command: Command): Promise<Recorded> {
    this.#lastAt = this.#clock.monotonic();
    const kind = isDenying(command) ? 'deny' : 'grant';
    const attributes = { 'entente.controller': command.controller, 'entente.lane': kind };
    const span = this.#tracing.begin('record decision', { kind: 'internal', parent: command.traceparent, attributes });
    return ended(span, this.#batchers[kind].submit(under(span, command)));
  }

  async close(): Promise<void> {
    await Promise.all([this.#pools.deny.end(), this.#pools.grant.end()]);
  }
}

/** What the decision leads to continues from its span. */
const under = ({ traceparent }: Span, command: Command): Command =>
  traceparent === undefined || traceparent === command.traceparent ? command : { ...command, traceparent };

/** The span covers the wait for company, the decision and the commit (REC-2). */
async function ended(span: Span, recording: Promise<Recorded>): Promise<Recorded> {
  try {
    const recorded = await recording;
    if (recorded.kind === 'rejected') span.end({ 'entente.outcome': recorded.rejection.code });
    else {
      const { changeId, version } = recorded.answer;
      const outcome = recorded.committed ? 'committed' : 'stood-already';
      span.end({ 'entente.change_id': changeId, 'entente.version': version, 'entente.outcome': outcome });
    }
    return recorded;
  } catch (error) {
    span.end({}, 'not-recorded');
    throw error;
  }
}

type Kind = 'deny' | 'grant';

export interface WriterPoolOptions {
  readonly databaseUrl: string;
  readonly instance: string;
  readonly log: Logger;
  readonly max: number;
}

/** Connections with the writers' limits (REC-2). */
export function writerPool(kind: string, { databaseUrl, instance, log, max }: WriterPoolOptions): Pool {
  return createPool({
    url: databaseUrl,
    schema: CONSENT_SCHEMA,
    name: `consent-${kind}-${instance}`,
    max,
    lockTimeoutMs,
    transactionTimeoutMs: writerTimeoutMs,
    idleInTransactionTimeoutMs: writerTimeoutMs,
    connectTimeoutMs: writerTimeoutMs,
    settings: { synchronous_commit: 'on' },
    onIdleError: (err) => log.warn({ err, pool: kind }, 'database connection lost'),
  });
}

function batcher(kind: Kind, pool: Pool, options: RecorderOptions): Batcher<Command, Recorded> {
  const { ledger, clock, onCommitted, log } = options;
  return new Batcher<Command, Recorded>({
    commit: async (batch) => {
      const answers = await ledger.record(pool, batch);
      onCommitted();
      return answers;
    },
    failureOf: (error) => {
      const failure = failureOf(error);
      // Only name and code: a database error may quote the row it is about.
      log.warn({ batches: kind, failure, ...nameOf(error) }, 'recording failed');
      return failure;
    },
    gaveUp,
    overloaded,
    concurrency: connections[kind],
    maxBatch,
    coalesceMs,
    deadlineMs: deadlineMs[kind],
    maxQueued: maxQueued[kind],
    placeOf,
    clock,
  });
}

const nameOf = (error: unknown): object =>
  error instanceof Error ? { error: error.name, code: 'code' in error ? error.code : undefined } : {};
