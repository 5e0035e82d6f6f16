import { partitionCount } from '@entente/contracts';
import { Bell } from './bell.ts';
import type { LogWatch } from './log-watch.ts';
import { candidates, rebalance } from './ownership.ts';
import type { SessionParts } from './session-parts.ts';

interface OwnershipParts extends SessionParts {
  /** Judges the logs of new shards (RST-4); absent where there are no watermarks: then every shard is sound. */
  readonly logWatch: LogWatch | undefined;
  /** Where this instance begins to ask for shards. */
  readonly offset: number;
  readonly onTaken: () => void;
  readonly onHandedOver: (shard: number) => void;
}

/** Takes up and hands over shards, so that live instances own about the same number (REL-2). */
export class OwnershipLoop {
  readonly #parts: OwnershipParts;
  readonly #bell = new Bell();

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { signal, timing } = this.#parts;
    while (!signal.aborted) {
      await this.#step();
      await this.#bell.wait(timing.ownershipMs, signal);
    }
  }

  async #step(): Promise<void> {
    const { shards, store } = this.#parts;
    await this.#handOver();
    const staying = shards.all().filter(({ status }) => status !== 'leaving');
    const { acquire, release } = rebalance(
      staying.map(({ shard }) => shard),
      await store.liveInstances(),
      partitionCount,
    );
    for (const shard of release) {
      const owned = shards.get(shard);
      if (owned !== undefined) owned.status = 'leaving';
    }
    if (release.length > 0) await this.#handOver();
    if (acquire > 0) await this.#take(acquire);
  }

  async #take(want: number): Promise<void> {
    const { shards, store, logWatch, log, offset, onTaken } = this.#parts;
    const taken = await store.lockShards(candidates(new Set(shards.numbers()), partitionCount, offset), want);
    if (taken.length === 0) return;
    for (const record of await store.recordOwner(taken))
      shards.add(record, logWatch === undefined ? 'sound' : 'unchecked');
    log.info({ shards: taken }, 'relay took shards');
    logWatch?.bell.ring();
    onTaken();
  }

  async #handOver(): Promise<void> {
    const { shards, store, log, onHandedOver } = this.#parts;
    const free = shards.inStatus('leaving').filter(({ inFlight }) => inFlight === 0);
    if (free.length === 0) return;
    const leaving = free.map(({ shard }) => shard);
    for (const shard of leaving) {
      shards.remove(shard);
      onHandedOver(shard);
    }
    await store.unlockShards(leaving);
    log.info({ shards: leaving }, 'relay handed shards over');
  }
}
