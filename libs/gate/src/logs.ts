import { topics } from '@entente/contracts';
import { tpKey, type Admin, type EventSource, type InRecord, type Kafka, type TP } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import type { Follower } from './follower.ts';
import { storedOffsetGap, type GapReason } from './step/gap.ts';

/** A gate must close quickly; what is in hand is applied in one tick anyway. */
const drainMs = 1000;
/** What only opens, and second copies, may gather for a moment; no denial waits for it. Milliseconds. */
const completeGatherMs = 20;

export interface LogsSetting {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly follower: Follower;
  /** Unique to this start: every gate reads every partition, so its groups are its own. */
  readonly groupPrefix: string;
  readonly log: Logger;
  readonly onGap: (reason: GapReason) => void;
}

/** The express lane alone, and the complete log with the catalogue: two consumers (REC-6), each from the stored offsets. */
export class Logs {
  readonly #setting: LogsSetting;
  readonly #lanes: readonly Lane[];

  constructor(setting: LogsSetting) {
    this.#setting = setting;
    this.#lanes = [
      new Lane(setting, { name: 'revocations', topics: [topics.revocations], gatherMs: 0 }),
      new Lane(setting, { name: 'changes', topics: [topics.changes, topics.catalogue], gatherMs: completeGatherMs }),
    ];
  }

  /** Begins in the background; Kafka may be away. */
  start(): void {
    for (const lane of this.#lanes)
      lane.start().catch((err: unknown) => this.#setting.log.error({ err }, 'gate cannot read its logs'));
  }

  /** Reads on from the follower's positions, after a seed. */
  async reposition(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.source.reposition()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.source.stop(drainMs)));
  }
}

class Lane {
  readonly source: EventSource;
  readonly #setting: LogsSetting;
  readonly #groupId: string;
  readonly #topics: readonly string[];
  /** The epoch whose positions were given, and the seed they belong to: records of any other are not looked at. */
  #wanted = { epoch: -1, seeds: -1 };

  constructor(setting: LogsSetting, read: { name: string; topics: readonly string[]; gatherMs: number }) {
    this.#setting = setting;
    this.#groupId = `${setting.groupPrefix}.${read.name}`;
    this.#topics = read.topics;
    this.source = setting.kafka.source({ gatherMs: read.gatherMs });
    this.source.onFatal((err) => setting.log.error({ err, groupId: this.#groupId }, 'gate cannot read its logs'));
  }

  start(): Promise<void> {
    return this.source.start({
      groupId: this.#groupId,
      topics: this.#topics,
      positions: (tps, epoch) => this.#positions(tps, epoch),
      onRecords: (tp, records, epoch) => this.#take(tp, records, epoch),
      onOutOfRange: () => this.#setting.onGap('offset-outside-log'),
    });
  }

  /** kafkajs forgets its position at each join, so each join seeks, and checks that the log still reaches that far (GATE-3). */
  async #positions(tps: readonly TP[], epoch: number): Promise<Map<string, bigint>> {
    const { follower, admin } = this.#setting;
    const { seeds } = follower;
    const ranges = new Map<string, Awaited<ReturnType<Admin['offsets']>>>();
    for (const topic of new Set(tps.map((tp) => tp.topic))) ranges.set(topic, await admin.offsets(topic));
    if (!follower.following || follower.seeds !== seeds) throw new Error('the replica is being seeded');
    const positions = new Map<string, bigint>();
    for (const tp of tps) {
      const next = follower.positions.get(tpKey(tp));
      const range = ranges.get(tp.topic)?.get(tp.partition);
      if (next === undefined || storedOffsetGap(next, range) !== null) {
        this.#setting.onGap('offset-outside-log');
        throw new Error('a stored offset is outside the log');
      }
      positions.set(tpKey(tp), next);
    }
    this.#wanted = { epoch, seeds };
    return positions;
  }

  #take(tp: TP, records: readonly InRecord[], epoch: number): Promise<void> {
    const { follower } = this.#setting;
    return follower.take(tp, records, () => this.#wanted.epoch === epoch && this.#wanted.seeds === follower.seeds);
  }
}
