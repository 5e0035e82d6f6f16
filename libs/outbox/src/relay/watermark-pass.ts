import { topics, uuidv7 } from '@entente/contracts';
import type { GateBeat, GateStartId } from '@entente/contracts';
import type { EventPublisher } from '@entente/kafka';
import { beatsFor, toRegister, type BeatBook, type RegisteredStarts } from './beat-book.ts';
import type { Drained } from './drain.ts';
import { readLogEnd } from './log-check.ts';
import type { OwnedShard } from './owned-shards.ts';
import type { LedgerPort } from './ports.ts';
import { watermarkRecord, type PassFacts } from './records.ts';
import type { SessionParts } from './session-parts.ts';
import { acknowledgement, type Acknowledged } from './settle.ts';

/** GATE-6: rows of forgotten starts are looked for this often. */
const strikeEveryMs = 10_000;

interface WatermarkPassParts extends SessionParts {
  readonly ledger: LedgerPort;
  readonly beats: BeatBook;
  readonly drain: (
    shards: readonly OwnedShard[],
    publisher: EventPublisher,
    upTo: number,
    goOn: () => boolean,
  ) => Promise<Drained>;
  readonly noteAcknowledged: (acknowledged: readonly Acknowledged[]) => Promise<void>;
}

/** One full pass (REL-4): its five steps in their order, over the shards owned at its start. */
export class WatermarkPass {
  readonly #parts: WatermarkPassParts;
  #registered: RegisteredStarts = new Map();
  #struck: ReadonlySet<GateStartId> = new Set();
  #strikeAt = Number.NEGATIVE_INFINITY;

  constructor(parts: WatermarkPassParts) {
    this.#parts = parts;
  }

  /** Answers the shards of which something was not acknowledged. */
  async run(shards: readonly OwnedShard[], publisher: EventPublisher): Promise<ReadonlySet<number>> {
    const { store, beats, clock, signal, ledger, drain } = this.#parts;
    // (1) Beats heard from here on belong to the next pass.
    const noted = beats.note(clock.monotonic());
    await store.registerGates(toRegister(noted, this.#registered));
    await this.#strikeGates(beats.ended());
    // (2) The sequence last: whatever the ledger head covers has an id up to its value.
    const known = await store.exclusively((client) => ledger.facts(client));
    const { registered, upTo, passTime } = await store.passStart();
    this.#registered = registered;
    // (3)
    const { complete, failed } = await drain(shards, publisher, upTo, () => !signal.aborted);
    const proven = complete.filter(({ republishSince }) => republishSince === null);
    await this.#republishLost(complete);
    if (proven.length === 0) return failed;
    // (4) A deposed primary cannot.
    const lastLedgerNumber = known.ledger.number;
    const numbers = await store.commitPass(proven.map(({ shard, log }) => ({ shard, log, lastLedgerNumber })));
    // (5)
    const unmarked = await this.#mark(proven, publisher, { ...known, passTime }, { noted, registered, numbers });
    // What was drained in this pass may have gone with a log whose loss the watermark has just shown.
    for (const owned of proven) if (owned.republishSince === null) owned.lastLedgerNumber = lastLedgerNumber;
    this.#parts.onPass();
    return new Set([...failed, ...unmarked]);
  }

  async #strikeGates(ended: readonly GateStartId[]): Promise<void> {
    const now = this.#parts.clock.monotonic();
    if (now < this.#strikeAt && ended.every((start) => this.#struck.has(start))) return;
    await this.#parts.store.strikeGates(ended);
    this.#strikeAt = now + strikeEveryMs;
    this.#struck = new Set(ended);
  }

  /** REL-5: owed until the next pass is recorded; a crash before it has it done again. */
  async #republishLost(shards: readonly OwnedShard[]): Promise<void> {
    const { kafka, ledger, store, log, timing } = this.#parts;
    for (const owned of shards) {
      if (owned.republishSince === null) continue;
      const admin = kafka.admin();
      try {
        // What the surviving log proves is the number it was complete up to; an empty one proves nothing.
        const { watermark } = await readLogEnd(kafka, admin, owned.shard);
        const since = Math.min(owned.republishSince, watermark?.ledger.number ?? Number.POSITIVE_INFINITY);
        await store.exclusively((client) => ledger.republish(client, owned.shard, since), timing.republishMs);
        owned.republishSince = null;
        log.warn({ shard: owned.shard, since }, 'published again after the loss of a log');
      } catch (err) {
        log.error({ err, shard: owned.shard }, 'not yet published again after the loss of a log');
      } finally {
        await admin.close();
      }
    }
  }

  async #mark(
    proven: readonly OwnedShard[],
    publisher: EventPublisher,
    facts: PassFacts,
    found: {
      readonly noted: ReadonlyMap<GateStartId, GateBeat>;
      readonly registered: RegisteredStarts;
      readonly numbers: ReadonlyMap<number, number>;
    },
  ): Promise<number[]> {
    const { service, clock, log } = this.#parts;
    const { noted, registered, numbers } = found;
    const marks = proven.flatMap((owned) => {
      const number = numbers.get(owned.shard);
      if (number === undefined) return [];
      const beats = beatsFor(noted, registered, owned.returnedBeats);
      return [{ owned, number, beats }];
    });
    const records = marks.map(({ owned: { shard, log: position }, number, beats }) =>
      watermarkRecord(service, facts, { eventId: uuidv7(clock.now()), shard, number, log: position, beats }),
    );
    const results = await publisher.publish(records);
    const refused: number[] = [];
    const acknowledged: Acknowledged[] = [];
    for (const { owned, beats } of marks) {
      const result = results.find(({ topic, partition }) => topic === topics.revocations && partition === owned.shard);
      if (result?.ok !== true) {
        log.warn({ shard: owned.shard, err: result?.error }, 'watermark not acknowledged');
        refused.push(owned.shard);
        continue;
      }
      acknowledged.push(acknowledgement(result));
      for (const [start, number] of beats) owned.returnedBeats.set(start, number);
    }
    await this.#parts.noteAcknowledged(acknowledged);
    return refused;
  }
}
