import type { GateBeat, GateStartId } from '@entente/contracts';
import type { Client } from '@entente/postgres';
import type { Lane } from '../append.ts';
import type { RegisteredStarts } from './beat-book.ts';
import type { LogPosition } from './log-position.ts';
import { deletePage, readPage, type PageRequest } from './page-sql.ts';
import type { StoredRow } from './rows.ts';
import type { StatementQueue } from './statement-queue.ts';
import * as sql from './relay-sql.ts';

/** What stands in `relay_shard` of a shard that was just taken. */
export interface ShardRecord {
  readonly shard: number;
  readonly log: LogPosition;
  readonly lastLedgerNumber: number;
  /** REL-5: the ledger is to be published again from this number. */
  readonly republishSince: number | null;
}

/** One shard's part of REL-4 step (4). */
export interface PassRecord {
  readonly shard: number;
  readonly log: LogPosition;
  readonly lastLedgerNumber: number;
}

/** A shard whose log was lost. */
export interface OwedShard {
  readonly shard: number;
  readonly log: LogPosition;
  /** Ledger number up to which the lost log was known to be complete. */
  readonly since: number;
}

export interface PassStart {
  readonly registered: RegisteredStarts;
  /** No row committed before this was read has a higher id. */
  readonly upTo: number;
  readonly passTime: string;
}

/** A commit that was answered with a warning is unknown, not done (RST-1): the standby has perhaps not seen it. */
class DurabilityUnknown extends Error {
  override readonly name = 'DurabilityUnknown';
}

/** What the loops ask of the connection that holds the locks. */
export type LockStore = Pick<RelayStore, keyof RelayStore>;

/** The statements of the connection that holds the locks (REL-2). */
export class RelayStore {
  readonly #queue: StatementQueue;
  readonly #schema: string;
  readonly #topic: string;
  #warning: string | undefined;

  private constructor(queue: StatementQueue, schema: string, topic: string) {
    this.#queue = queue;
    this.#schema = schema;
    this.#topic = topic;
    queue.client.on('notice', (notice) => {
      if (notice.severity === 'WARNING') this.#warning = notice.code ?? 'without code';
    });
  }

  /** `topic`: the one whose acknowledged offsets are kept (REL-5). */
  static async open(queue: StatementQueue, topic: string): Promise<RelayStore> {
    const schema = await queue.run('urgent', async (client) => {
      await client.query(sql.ownerSession);
      const { rows } = await client.query<{ schema: string | null }>('SELECT current_schema() AS schema');
      return rows[0]?.schema;
    });
    if (!schema) throw new Error('the relay’s connection has no schema in its search path');
    return new RelayStore(queue, schema, topic);
  }

  /** For the ports of the service that owns the ledger: the connection to itself, for as long as the work may take. */
  exclusively<T>(work: (client: Client) => Promise<T>, limitMs?: number): Promise<T> {
    return this.#queue.run('urgent', work, limitMs);
  }

  /** REL-2: whatever the loops await, the server hears from us. */
  async keepBusy(): Promise<void> {
    if (!this.#queue.busy) await this.#query('SELECT 1', []);
  }

  /** Counted as a live instance from now on, until the session ends. */
  async enterCensus(): Promise<void> {
    await this.#query(sql.enterCensus, [this.#schema]);
  }

  async liveInstances(): Promise<number> {
    const { rows } = await this.#query<{ live: number }>(sql.countCensus, [this.#schema], 'relay-census');
    return rows[0]?.live ?? 1;
  }

  /** Takes at most `want` of these shards, in their order. */
  async lockShards(candidates: readonly number[], want: number): Promise<number[]> {
    const taken: number[] = [];
    for (let next = 0; next < candidates.length && taken.length < want;) {
      const asked = candidates.slice(next, next + want - taken.length);
      next += asked.length;
      const { rows } = await this.#query<{ shard: number }>(sql.tryLock, [this.#schema, asked], 'relay-lock');
      taken.push(...rows.map(({ shard }) => shard));
    }
    return taken;
  }

  async unlockShards(shards: readonly number[]): Promise<void> {
    await this.#query(sql.unlock, [this.#schema, shards], 'relay-unlock');
  }

  /** REL-2: one synchronous write before the first read of a new connection; a deposed primary fails here. */
  async recordOwner(shards: readonly number[]): Promise<ShardRecord[]> {
    const rows = await this.#durably<ShardRow>('relay-owner', sql.recordOwner, [shards, this.#topic]);
    return rows.map((row) => ({
      shard: row.shard,
      log: { epoch: row.log_epoch, highestAcked: BigInt(row.highest_acked ?? '-1') },
      lastLedgerNumber: row.last_ledger_number,
      republishSince: row.republish_since,
    }));
  }

  readPage(lane: Lane, page: PageRequest): Promise<StoredRow[]> {
    return readPage(this.#queue, lane, page);
  }

  deleteRows(lane: Lane, ids: readonly number[]): Promise<void> {
    return deletePage(this.#queue, lane, ids);
  }

  /** REL-4 step (1). */
  async registerGates(beats: readonly GateBeat[]): Promise<void> {
    if (beats.length === 0) return;
    await this.#query(
      sql.registerGates,
      [
        beats.map((beat) => beat.start),
        beats.map((beat) => beat.gate),
        beats.map((beat) => beat.controller),
        beats.map((beat) => JSON.stringify(beat.recipients)),
      ],
      'relay-gates',
    );
  }

  /** GATE-6: ended starts, and those whose `last_seen` is a minute old. */
  async strikeGates(ended: readonly GateStartId[]): Promise<void> {
    await this.#query(sql.strikeGates, [ended], 'relay-strike');
  }

  /** REL-4 step (2): the starts in the table and the outbox sequence's last value. */
  async passStart(): Promise<PassStart> {
    const { rows } = await this.#query<PassStartRow>(sql.passStart, [], 'relay-pass-start');
    const [row] = rows;
    if (row === undefined) throw new Error('the pass found no database time');
    const registered = (row.gates ?? []).map(([start, age]) => [start as GateStartId, { lastSeenAgeMs: age }] as const);
    return { registered: new Map(registered), upTo: row.up_to, passTime: row.pass_time };
  }

  /**
   * REL-5: that a log was lost is known to who was acknowledged an offset it had before, and to nobody after: the next one is
   * above it. So it is kept before the rows go that showed it.
   */
  async oweRepublish(shards: readonly OwedShard[]): Promise<void> {
    await this.#durably('relay-owe', sql.oweRepublish, [
      shards.map(({ shard }) => shard),
      shards.map(({ log }) => log.epoch),
      shards.map(({ log }) => log.highestAcked.toString()),
      shards.map(({ since }) => since),
      this.#topic,
    ]);
  }

  /**
   * REL-4 step (4): one synchronous commit after the last read of the pass.
   * @returns the pass number of each shard.
   */
  async commitPass(shards: readonly PassRecord[]): Promise<Map<number, number>> {
    const rows = await this.#durably<{ shard: number; pass: number }>('relay-pass', sql.commitPass, [
      shards.map(({ shard }) => shard),
      shards.map(({ log }) => log.epoch),
      shards.map(({ log }) => log.highestAcked.toString()),
      shards.map(({ lastLedgerNumber }) => lastLedgerNumber),
      this.#topic,
    ]);
    return new Map(rows.map(({ shard, pass }) => [shard, pass]));
  }

  #query<Row extends object>(text: string, values: unknown[], name?: string): Promise<{ rows: Row[] }> {
    return this.#queue.run('urgent', (client) =>
      client.query<Row>({ text, values, ...(name === undefined ? {} : { name }) }),
    );
  }

  /** `synchronous_commit` is `on` in this session; what is left is to see that the server really waited. */
  async #durably<Row extends object>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    return this.#queue.run('urgent', async (client) => {
      this.#warning = undefined;
      const { rows } = await client.query<Row>({ name, text, values });
      // Assigned by the notice listener while the statement ran.
      const warning = this.#warning as string | undefined;
      if (warning !== undefined)
        throw new DurabilityUnknown(`the relay's write was answered with a warning (${warning})`);
      return rows;
    });
  }
}

interface PassStartRow {
  readonly pass_time: string;
  readonly up_to: number;
  readonly gates: readonly (readonly [string, number])[] | null;
}

interface ShardRow {
  readonly shard: number;
  readonly log_epoch: number;
  readonly republish_since: number | null;
  readonly highest_acked: string | null;
  readonly last_ledger_number: number;
}
