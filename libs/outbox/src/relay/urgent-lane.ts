import type { EventPublisher } from '@entente/kafka';
import { Attention } from './attention.ts';
import { Bell } from './bell.ts';
import { drain, type Drained } from './drain.ts';
import { LanePublisher } from './lane-publisher.ts';
import type { OwnedShard } from './owned-shards.ts';
import { Probes } from './probes.ts';
import type { SessionParts } from './session-parts.ts';
import { urgentPageRows } from './timing.ts';
import type { WatermarkPass } from './watermark-pass.ts';

/** Urgent first: an own producer, an own loop, every read from the lowest id (REL-3), and the watermarks (REL-4). */
export class UrgentLane {
  readonly bell = new Bell();
  readonly probes: Probes;
  readonly publisher: LanePublisher;
  readonly #parts: SessionParts;
  readonly #pass: WatermarkPass | undefined;
  #nextPassAt = Number.NEGATIVE_INFINITY;
  /** The last look found rows. */
  #found = false;

  constructor(parts: SessionParts, newPass: ((lane: UrgentLane) => WatermarkPass) | undefined) {
    this.#parts = parts;
    this.publisher = new LanePublisher({ ...parts, lane: 'urgent' });
    this.#pass = newPass?.(this);
    this.probes = new Probes({
      ...parts,
      newPublisher: () => parts.newPublisher('urgent'),
      round: (shard, publisher) => this.#probe(shard, publisher),
    });
  }

  async run(): Promise<void> {
    const { signal, clock, timing } = this.#parts;
    const attention = new Attention(timing);
    for (let told = true; !signal.aborted;) {
      this.#found = false;
      const passDue = this.#pass !== undefined && clock.monotonic() >= this.#nextPassAt;
      if (passDue) this.#nextPassAt = clock.monotonic() + timing.passMs;
      this.probes.isolate(await this.#round(this.#common(), this.#parts.publishers.urgent, passDue));
      if (this.#found && !told) attention.foundUntold(clock.monotonic());
      const untilPass = this.#pass === undefined ? Infinity : this.#nextPassAt - clock.monotonic();
      told = await this.bell.wait(Math.min(attention.nextLook(clock.monotonic()), untilPass), signal);
    }
    await this.probes.ended();
  }

  /** All urgent rows of these shards up to an id, or those that are there now. */
  drain(
    shards: readonly OwnedShard[],
    publisher: EventPublisher,
    upTo: number | null,
    goOn: () => boolean,
  ): Promise<Drained> {
    const floors = (open: readonly OwnedShard[]) => open.map(() => 0);
    return drain(shards, {
      pageRows: urgentPageRows,
      read: (open, perShard) =>
        this.#parts.store.readPage('urgent', {
          shards: open.map(({ shard }) => shard),
          floors: floors(open),
          upTo,
          perShard,
        }),
      publish: async (rows) => {
        this.#found = true;
        this.#parts.pace.urgentAt = this.#parts.clock.monotonic();
        return (await this.publisher.publish(rows, publisher)).failed;
      },
      goOn,
    });
  }

  #common(): OwnedShard[] {
    return this.#parts.shards.inStatus('sound').filter(({ shard }) => !this.probes.has(shard));
  }

  /** A full pass, or just what is waiting; answers the shards that failed. */
  async #round(shards: readonly OwnedShard[], publisher: EventPublisher, full: boolean): Promise<ReadonlySet<number>> {
    if (shards.length === 0) return new Set();
    return this.#parts.shards.holding(shards, async () => {
      if (full && this.#pass !== undefined) return this.#pass.run(shards, publisher);
      const { signal, clock, timing } = this.#parts;
      const until = this.#pass === undefined ? clock.monotonic() + timing.ownershipMs : this.#nextPassAt;
      const { failed, interrupted } = await this.drain(
        shards,
        publisher,
        null,
        () => !signal.aborted && clock.monotonic() < until,
      );
      if (interrupted) this.bell.ring();
      return failed;
    });
  }

  async #probe(shard: number, publisher: EventPublisher): Promise<boolean> {
    const owned = this.#parts.shards.get(shard);
    // Handed over or doubted meanwhile: nothing is left to ask this partition.
    if (owned?.status !== 'sound') return true;
    return (await this.#round([owned], publisher, true)).size === 0;
  }
}
