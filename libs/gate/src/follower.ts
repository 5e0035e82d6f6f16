import {
  applyCatalogueChange,
  catalogueOf,
  documentOf,
  emptyCatalogue,
  partitionCount,
  topics,
  type Catalogue,
  type CatalogueDocument,
  type ControllerId,
  type GateStartId,
  type RecipientId,
} from '@entente/contracts';
import { partitionOf, tpKey, type InRecord, type TP } from '@entente/kafka';
import type { Clock, Logger } from '@entente/observability';
import { setImmediate } from 'node:timers/promises';
import { Collected, sameStored, storedOf, type Denied } from './collected.ts';
import { decide, type Decision, type Held, type Intent, type PassTime, type StaleReason } from './step/decision.ts';
import type { GapReason } from './step/gap.ts';
import {
  leaseState,
  reseeded,
  stepChanges,
  stepRevocations,
  unknownPartition,
  type PartitionState,
} from './step/gate-step.ts';
import { BeatLog, read, type Reading } from './step/lease.ts';
import { inCatalogue, inChanges, inRevocations, readRecord } from './step/log-record.ts';
import type { Batch, Quarantined, Replica } from './store/replica.ts';

/** Records per local transaction: bounds how long one tick may last while catching up. */
const chunk = 500;

interface FollowerEvents {
  /** A deny-direction change is in the replica, and no send decided before it is unwritten (see `Egress`). */
  denied(denied: Denied): void;
  /** A record of the catalogue is missing or unreadable: ask the consent service (REC-9). */
  catalogueHole(): void;
  /** The replica may miss something: empty it and seed again (GATE-3). */
  gap(reason: GapReason): void;
  /** The local store failed: nothing may leave until another session has begun. */
  storeLost(error: unknown): void;
}

export interface FollowerSetting {
  readonly controller: ControllerId;
  readonly recipients: readonly RecipientId[];
  readonly start: GateStartId;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: FollowerEvents;
}

/**
 * The gate's state in memory and on disk, moved by the logs and asked by senders. Everything here runs to its end within
 * one tick: a decision sees either all of a local transaction or nothing of it.
 */
export class Follower {
  readonly beats = new BeatLog();
  readonly #setting: FollowerSetting;
  readonly #recipients: ReadonlySet<RecipientId>;
  readonly #partitions: PartitionState[] = Array.from({ length: partitionCount }, () => unknownPartition);
  readonly #positions = new Map<string, bigint>();
  #catalogue: Catalogue = emptyCatalogue;
  #pass: PassTime | null = null;
  #stale: StaleReason | null = 'not-seeded';
  #seeds = 0;
  #closed = false;

  constructor(setting: FollowerSetting) {
    this.#setting = setting;
    this.#recipients = new Set(setting.recipients);
    const { positions, partitions, catalogue, seeded } = setting.replica.resumed();
    for (const [number, stored] of partitions)
      if (number < partitionCount) this.#partitions[number] = { ...unknownPartition, ...stored };
    if (!seeded || catalogue === null) return;
    for (const [tp, next] of positions) this.#adoptPosition(tp, next);
    this.#catalogue = catalogueOf(catalogue);
    this.#stale = null;
  }

  /** True while the replica is whole and followed. */
  get following(): boolean {
    return this.#stale === null;
  }

  get catalogue(): Catalogue | null {
    return this.following ? this.#catalogue : null;
  }

  /** Next offsets by `topic:partition`. */
  get positions(): ReadonlyMap<string, bigint> {
    return this.#positions;
  }

  get partitions(): readonly PartitionState[] {
    return this.#partitions;
  }

  /** Grows with every seed: positions asked for before it are worth nothing after it. */
  get seeds(): number {
    return this.#seeds;
  }

  get staleReason(): StaleReason | null {
    return this.#stale;
  }

  /** The highest catalogue number a watermark has named. */
  get catalogueNeeded(): number {
    return Math.max(...this.#partitions.map(({ catalogueNeeded }) => catalogueNeeded));
  }

  decide(intent: Intent): Decision {
    if (this.#stale !== null) return { kind: 'stale', reason: this.#stale };
    const partition = this.#partitions[partitionOf(intent.subjectKey)] ?? unknownPartition;
    const now = read(this.#setting.clock);
    // Without a lease the replica need not be asked.
    const lease = leaseState(partition, this.#catalogue.number, now);
    if (!lease.held) return { kind: 'stale', reason: lease.why };
    let held: Held | undefined;
    try {
      held = this.#setting.replica.get(intent.subjectKey);
    } catch (error) {
      this.#loseStore(error);
      return { kind: 'stale', reason: 'store' };
    }
    return decide(
      {
        partition,
        catalogue: this.#catalogue,
        held,
        pass: this.#pass,
        recipients: this.#recipients,
      },
      intent,
      now,
    );
  }

  /** Ends every lease for good: no seed opens it again. */
  close(): void {
    this.stop('store');
    this.#closed = true;
  }

  /** Ends every lease and answers stale until a new seed. */
  stop(reason: StaleReason): void {
    if (this.#closed) return;
    this.#stale = reason;
    for (const [number, state] of this.#partitions.entries()) this.#partitions[number] = { ...state, beatSent: null };
  }

  /** Adopts a finished seed in one transaction with the offsets that were noted before it (GATE-1). */
  seeded(seed: { positions: ReadonlyMap<string, bigint>; catalogue: CatalogueDocument; incarnation: number }): void {
    if (this.#closed) throw new Error('the gate was closed while it was seeded');
    const partitions = this.#partitions.map((state, number) =>
      reseeded(
        state,
        seed.positions.get(tpKey({ topic: topics.revocations, partition: number })) ?? 0n,
        seed.incarnation,
      ),
    );
    this.#setting.replica.commit({
      positions: seed.positions,
      partitions: new Map(partitions.map((state, number) => [number, storedOf(state)])),
      catalogue: seed.catalogue,
      seeded: { incarnation: seed.incarnation },
    });
    for (const [number, state] of partitions.entries()) this.#partitions[number] = state;
    this.#positions.clear();
    for (const [tp, next] of seed.positions) this.#positions.set(tp, next);
    this.#catalogue = catalogueOf(seed.catalogue);
    this.#seeds += 1;
    this.#stale = null;
  }

  /** The whole catalogue as the consent service gave it; an older one than held changes nothing. */
  replaceCatalogue(document: CatalogueDocument): void {
    if (!this.following || document.number <= this.#catalogue.number) return;
    if (this.#commit({ catalogue: document })) this.#catalogue = catalogueOf(document);
  }

  /** @param stillWanted false once the run of the logs that handed the records over has ended */
  async take(tp: TP, records: readonly InRecord[], stillWanted: () => boolean): Promise<void> {
    for (let from = 0; from < records.length; from += chunk) {
      if (from > 0) await setImmediate();
      if (!this.following || !stillWanted()) return;
      this.#takeChunk(tp, records.slice(from, from + chunk));
    }
  }

  #takeChunk(tp: TP, records: readonly InRecord[]): void {
    if (tp.topic === topics.catalogue) return this.#takeCatalogue(tp, records);
    const express = tp.topic === topics.revocations;
    const now = read(this.#setting.clock);
    const collected = new Collected();
    const before = this.#partitions[tp.partition] ?? unknownPartition;
    const context = {
      start: this.#setting.start,
      beatSentAt: (number: number) => this.beats.sentAt(number),
      now,
    };
    let state = before;
    let next = this.#positions.get(tpKey(tp));
    if (next === undefined) return this.#setting.events.gap('offset-outside-log');
    for (const record of records) {
      // The complete log may be read twice; the version fence makes that harmless, but its offset never goes back.
      if (!express && record.offset < next) continue;
      const event = readRecord(record, express ? inRevocations : inChanges, this.#setting.controller);
      const step = express ? stepRevocations(state, record.offset, event, context) : stepChanges(state, event);
      state = step.state;
      if (collected.add(step.effects, record)) break;
      next = record.offset + 1n;
    }
    const batch: Batch = {
      ...collected.batch(),
      positions: new Map([[tpKey(tp), next]]),
      ...(sameStored(before, state) ? {} : { partitions: new Map([[tp.partition, storedOf(state)]]) }),
    };
    if (!this.#commit(batch)) return;
    // Adopted only now: a lease never begins before the records in front of its watermark are in the replica.
    this.#partitions[tp.partition] = state;
    this.#positions.set(tpKey(tp), next);
    this.#hearPass(collected.passTime, now);
    collected.report(this.#setting.log, tp);
    for (const denied of collected.denies) this.#setting.events.denied(denied);
    if (collected.gap !== null) this.#setting.events.gap(collected.gap);
  }

  #takeCatalogue(tp: TP, records: readonly InRecord[]): void {
    let catalogue = this.#catalogue;
    let hole = false;
    const quarantine: Quarantined[] = [];
    let next = this.#positions.get(tpKey(tp)) ?? 0n;
    for (const record of records) {
      if (record.offset < next) continue;
      next = record.offset + 1n;
      const event = readRecord(record, inCatalogue, this.#setting.controller);
      const applied =
        event.kind === 'catalogue' ? applyCatalogueChange(catalogue, event.change, this.#setting.controller) : null;
      if (event.kind === 'undecodable' || event.kind === 'unreadable-watermark')
        quarantine.push({ ...record, why: event.why });
      if (applied === null) hole = true;
      else catalogue = applied;
    }
    const changed = catalogue !== this.#catalogue ? { catalogue: documentOf(catalogue) } : {};
    if (!this.#commit({ ...changed, quarantine, positions: new Map([[tpKey(tp), next]]) })) return;
    this.#positions.set(tpKey(tp), next);
    this.#catalogue = catalogue;
    if (hole) this.#setting.events.catalogueHole();
  }

  #commit(batch: Batch): boolean {
    try {
      this.#setting.replica.commit(batch);
      return true;
    } catch (error) {
      this.#loseStore(error);
      return false;
    }
  }

  #loseStore(error: unknown): void {
    this.close();
    this.#setting.events.storeLost(error);
  }

  #hearPass(passTime: number | null, heard: Reading): void {
    if (passTime === null || Number.isNaN(passTime)) return;
    const expected =
      this.#pass === null ? -Infinity : this.#pass.passTime + (heard.monotonic - this.#pass.heard.monotonic);
    if (passTime > expected) this.#pass = { passTime, heard };
  }

  #adoptPosition(tp: string, next: bigint): void {
    this.#positions.set(tp, next);
    const [topic, partition] = tp.split(':');
    const number = Number(partition);
    if (topic === topics.revocations && number < partitionCount)
      this.#partitions[number] = { ...(this.#partitions[number] ?? unknownPartition), next };
  }
}
