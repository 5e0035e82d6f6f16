import type { GateStartId } from '@entente/contracts';
import { acknowledge, learn, type Advance, type LogPast, type LogPosition } from './log-position.ts';
import type { OwedShard, ShardRecord } from './relay-store.ts';

/**
 * `unchecked` and `lost` shards are not published: their log is not known to agree with the ledger (RST-4). `leaving` ones
 * take no new work and are handed over when nothing of theirs is in flight.
 */
export type ShardStatus = 'unchecked' | 'sound' | 'lost' | 'leaving';

export interface OwnedShard {
  readonly shard: number;
  status: ShardStatus;
  log: LogPosition;
  lastLedgerNumber: number;
  /** REL-5: the log was lost, and the ledger is to be published again from this number. */
  republishSince: number | null;
  /** Per gate start the beat in the last acknowledged watermark. */
  readonly returnedBeats: Map<GateStartId, number>;
  /** Rounds that are working on it. */
  inFlight: number;
}

/** The shards whose locks this session holds. */
export class OwnedShards {
  readonly #shards = new Map<number, OwnedShard>();

  add(record: ShardRecord, status: ShardStatus): void {
    const { shard, log, lastLedgerNumber, republishSince } = record;
    const fresh = { republishSince, returnedBeats: new Map<GateStartId, number>(), inFlight: 0 };
    this.#shards.set(shard, { shard, status, log, lastLedgerNumber, ...fresh });
  }

  remove(shard: number): void {
    this.#shards.delete(shard);
  }

  get(shard: number): OwnedShard | undefined {
    return this.#shards.get(shard);
  }

  all(): OwnedShard[] {
    return [...this.#shards.values()];
  }

  numbers(): number[] {
    return [...this.#shards.keys()];
  }

  inStatus(status: ShardStatus): OwnedShard[] {
    return this.all().filter((owned) => owned.status === status);
  }

  /**
   * REL-5 for every acknowledgement of the express lane, rows and watermarks alike.
   * @returns what is owed where the log was lost
   */
  acknowledged(shard: number, first: bigint, last: bigint): OwedShard | null {
    const owned = this.#shards.get(shard);
    if (owned === undefined) return null;
    return this.#advanced(owned, acknowledge(owned.log, first, last));
  }

  /**
   * The same for what the log tells of its past at a takeover.
   * @returns what is owed where the log was lost
   */
  learned(owned: OwnedShard, past: LogPast): OwedShard | null {
    return this.#advanced(owned, learn(owned.log, past));
  }

  #advanced(owned: OwnedShard, { position, logLost }: Advance): OwedShard | null {
    owned.log = position;
    if (!logLost) return null;
    owned.republishSince = Math.min(owned.republishSince ?? Infinity, owned.lastLedgerNumber);
    return { shard: owned.shard, log: position, since: owned.republishSince };
  }

  /** Keeps the shards from being handed over while `work` runs. */
  async holding<T>(shards: readonly OwnedShard[], work: () => Promise<T>): Promise<T> {
    for (const owned of shards) owned.inFlight += 1;
    try {
      return await work();
    } finally {
      for (const owned of shards) owned.inFlight -= 1;
    }
  }
}
