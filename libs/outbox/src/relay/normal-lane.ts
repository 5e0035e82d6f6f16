import type { EventPublisher } from '@entente/kafka';
import { Attention } from './attention.ts';
import { Bell, pause } from './bell.ts';
import { drain } from './drain.ts';
import { TrailingFloor } from './floor.ts';
import { LanePublisher } from './lane-publisher.ts';
import type { OwnedShard } from './owned-shards.ts';
import { readPage } from './page-sql.ts';
import { Probes } from './probes.ts';
import type { SessionParts } from './session-parts.ts';
import { backlogPageShare } from './timing.ts';
import type { StatementQueue } from './statement-queue.ts';

/** The complete log: reads on its own connection, so that its pages never stand before an urgent one. */
export class NormalLane {
  readonly bell = new Bell();
  readonly probes: Probes;
  readonly #parts: SessionParts;
  readonly #reader: StatementQueue;
  readonly #publisher: LanePublisher;
  readonly #floor: TrailingFloor;
  /** Shards whose last page was full. */
  readonly #behind = new Set<number>();
  /** The last look found rows. */
  #found = false;
  #turn = 0;

  constructor(parts: SessionParts, reader: StatementQueue) {
    this.#parts = parts;
    this.#reader = reader;
    this.#publisher = new LanePublisher({ ...parts, lane: 'normal' });
    this.#floor = new TrailingFloor(parts.timing.floorTrailMs, parts.timing.fullScanMs);
    this.probes = new Probes({
      ...parts,
      newPublisher: () => parts.newPublisher('normal'),
      round: (shard, publisher) => this.#probe(shard, publisher),
    });
  }

  async run(): Promise<void> {
    const { clock, signal, timing, shards } = this.#parts;
    const attention = new Attention(timing);
    for (let told = true; !signal.aborted; told = await this.bell.wait(attention.nextLook(clock.monotonic()), signal)) {
      const common = shards.inStatus('sound').filter(({ shard }) => !this.probes.has(shard));
      this.#found = false;
      this.probes.isolate(await this.#round(this.#next(common), this.#parts.publishers.normal));
      if (this.#found && !told) attention.foundUntold(clock.monotonic());
      // Of the others that are behind nobody tells.
      if (common.some(({ shard }) => this.#behind.has(shard))) this.bell.ring();
      else if (this.#found) await pause(timing.gatherMs, signal);
    }
    await this.probes.ended();
  }

  /** This shard is read from the beginning the next time. */
  forget(shard: number): void {
    this.#floor.forget(shard);
    this.#behind.delete(shard);
  }

  /**
   * All shards, or one after another while a backlog stands: a page of one partition is one transaction at each of its
   * consumers, a page of all partitions is one each. Every turn through them ends with a page of all.
   */
  #next(shards: readonly OwnedShard[]): readonly OwnedShard[] {
    if (this.#behind.size === 0) return shards;
    const one = shards.filter(({ shard }) => this.#behind.has(shard))[this.#turn++];
    if (one !== undefined) return [one];
    this.#turn = 0;
    return shards;
  }

  async #round(shards: readonly OwnedShard[], publisher: EventPublisher): Promise<ReadonlySet<number>> {
    const { clock, signal, timing } = this.#parts;
    if (shards.length === 0) return new Set();
    let readAt = clock.monotonic();
    let pages = 0;
    // A long backlog must not keep shards from being handed over or taken up.
    const until = readAt + timing.ownershipMs;
    const pageRows = this.#parts.pace.pageRows(readAt);
    const { failed, interrupted } = await this.#parts.shards.holding(shards, () =>
      drain(shards, {
        pageRows,
        read: (open, perShard) => {
          readAt = clock.monotonic();
          const all = this.#floor.fullScanDue(readAt);
          const floors = open.map(({ shard }) => (all ? 0 : this.#floor.of(shard, readAt)));
          return readPage(this.#reader, 'normal', {
            shards: open.map(({ shard }) => shard),
            floors,
            upTo: null,
            perShard,
          });
        },
        publish: async (rows) => {
          const refused = (await this.#publisher.publish(rows, publisher)).failed;
          if (rows.length >= pageRows * backlogPageShare) {
            const now = clock.monotonic();
            await pause(this.#parts.pace.restAfterBacklogPage(now - readAt, now), signal);
          }
          return refused;
        },
        goOn: () => !signal.aborted && clock.monotonic() < until && (this.#behind.size === 0 || pages++ === 0),
        onRead: (answered, rows, unfinished) => {
          this.#found ||= rows.length > 0;
          for (const { shard } of answered)
            if (unfinished.has(shard)) this.#behind.add(shard);
            else this.#behind.delete(shard);
          const highest = new Map(rows.map(({ shard, id }) => [shard, id]));
          for (const { shard } of answered) {
            const id = highest.get(shard);
            if (id !== undefined) this.#floor.published(shard, id, readAt);
          }
        },
      }),
    );
    for (const shard of failed) this.forget(shard);
    if (interrupted) this.bell.ring();
    return failed;
  }

  async #probe(shard: number, publisher: EventPublisher): Promise<boolean> {
    const owned = this.#parts.shards.get(shard);
    // Handed over or doubted meanwhile: nothing is left to ask this partition.
    if (owned?.status !== 'sound') return true;
    return (await this.#round([owned], publisher)).size === 0;
  }
}
