import { Bell } from './bell.ts';
import { judge, readLogEnd } from './log-check.ts';
import type { OwnedShard } from './owned-shards.ts';
import type { LedgerPort } from './ports.ts';
import type { SessionParts } from './session-parts.ts';

/** So many partitions that cannot be read one after the other mean that Kafka is away. */
const awayAfter = 3;

/** Asked anew after each wait: others set it. */
const isLeaving = (owned: OwnedShard): boolean => owned.status === 'leaving';

interface LogWatchParts extends SessionParts {
  readonly ledger: LedgerPort;
  readonly onSound: () => void;
}

/**
 * RST-4: no shard is published before the end of its logs has been compared with the ledger; one that fails stays closed and
 * is looked at again, until `entente restore` has mended it.
 */
export class LogWatch {
  readonly bell = new Bell();
  readonly #parts: LogWatchParts;
  /** Shards whose logs could not be read the last time. */
  readonly #unreadable = new Set<number>();

  constructor(parts: LogWatchParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { signal, timing, shards } = this.#parts;
    while (!signal.aborted) {
      const doubtful = [...shards.inStatus('unchecked'), ...shards.inStatus('lost')];
      await this.#check(doubtful);
      const again = shards.inStatus('unchecked').length > 0 ? timing.retryMs : timing.recheckMs;
      await this.bell.wait(again, signal);
    }
  }

  async #check(doubtful: readonly OwnedShard[]): Promise<void> {
    if (doubtful.length === 0) return;
    const { kafka, log, signal } = this.#parts;
    const admin = kafka.admin();
    try {
      let unreadable = 0;
      for (const owned of this.#readableFirst(doubtful)) {
        if (signal.aborted) return;
        const end = await readLogEnd(kafka, admin, owned.shard).catch((err: unknown) => {
          log.warn({ err, shard: owned.shard }, 'relay cannot read the end of the logs yet');
          return null;
        });
        if (end === null) {
          this.#unreadable.add(owned.shard);
          unreadable += 1;
          // Kafka is away, not one partition: the others' logs are no nearer.
          if (unreadable === awayAfter) return;
          continue;
        }
        this.#unreadable.delete(owned.shard);
        await this.#decide(owned, end);
      }
    } finally {
      await admin.close();
    }
  }

  /** One partition without a leader must not stand before all others each time. */
  #readableFirst(doubtful: readonly OwnedShard[]): OwnedShard[] {
    return [...doubtful].sort((a, b) => Number(this.#unreadable.has(a.shard)) - Number(this.#unreadable.has(b.shard)));
  }

  async #decide(owned: OwnedShard, end: Awaited<ReturnType<typeof readLogEnd>>): Promise<void> {
    const { ledger, store, log, onSound } = this.#parts;
    const [verdict, { incarnation }] = await store.exclusively(async (client) => [
      await judge(end, client, ledger),
      await ledger.facts(client),
    ]);
    // Asked to hand it over meanwhile: the next owner judges it anew.
    if (isLeaving(owned)) return;
    if (verdict.kind === 'sound') {
      await this.#learn(owned, end, incarnation);
      if (isLeaving(owned)) return;
      if (owned.status === 'lost') log.info({ shard: owned.shard }, 'log and ledger agree again');
      owned.status = 'sound';
      onSound();
      return;
    }
    if (owned.status !== 'lost')
      log.error(
        { shard: owned.shard, why: verdict.why, head: end.watermark?.ledger },
        'answered changes were lost; gates stay closed',
      );
    owned.status = 'lost';
  }

  /** REL-5: a database that lost its newest commits may have lost a raise of the epoch, by which gates tell this log from the one before. */
  async #learn(owned: OwnedShard, end: Awaited<ReturnType<typeof readLogEnd>>, incarnation: number): Promise<void> {
    const { shards, store, log } = this.#parts;
    const { expressEnd, epoch, watermark, untold } = end;
    const past = { end: expressEnd, epoch, untold, hasWatermark: watermark !== null, incarnation };
    const owed = shards.learned(owned, past);
    if (owed === null) return;
    log.error({ shard: owned.shard }, 'log made anew, as far as this database knows; its epoch is raised');
    await store.oweRepublish([owed]);
  }
}
