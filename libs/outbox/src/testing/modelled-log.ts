import {
  controllerId,
  decodeEvent,
  gateStartId,
  topics,
  watermarkKey,
  type GateBeat,
  type Watermark,
} from '@entente/contracts';
import type { EventPublisher, OutRecord, PublishResult } from '@entente/kafka';
import type { RegisteredStarts } from '../relay/beat-book.ts';
import type { LockStore, PassRecord } from '../relay/relay-store.ts';
import type { StoredRow } from '../relay/rows.ts';

/** What happens to one partition in one send; `unheard`: written, but the answer is lost. */
export type Fate = 'acknowledged' | 'refused' | 'unheard';

export interface ModelRow extends StoredRow {
  readonly version: number;
  /** Null while its transaction is open. */
  committedAt: number | null;
  deleted: boolean;
}

/** Something that happens while the relay awaits. */
export type Happening =
  | { readonly kind: 'insert'; readonly subject: number }
  | { readonly kind: 'commit'; readonly nth: number }
  | { readonly kind: 'beat'; readonly start: number };

/** A database and a log in memory, in which other things happen between any two steps of a pass. */
export class ModelledWorld {
  readonly rows: ModelRow[] = [];
  /** By partition, in offset order. */
  readonly log = new Map<number, OutRecord[]>();
  readonly acknowledged = new Set<string>();
  readonly deleted: number[] = [];
  readonly gates = new Set<string>();
  /** Counts the steps of the world; a commit's time and a pass's begin are compared by it. */
  time = 0;
  #happenings: readonly Happening[];
  #fates: readonly Fate[];
  readonly #onBeat: (beat: GateBeat) => void;
  readonly #versions = new Map<number, number>();
  readonly #passes = new Map<number, number>();

  constructor(happenings: readonly Happening[], fates: readonly Fate[], onBeat: (beat: GateBeat) => void) {
    this.#happenings = happenings;
    this.#fates = fates;
    this.#onBeat = onBeat;
  }

  get over(): boolean {
    return this.#happenings.length === 0;
  }

  /** Two happenings, then the relay's turn. */
  async elsewhere(): Promise<void> {
    await Promise.resolve();
    const [first, second, ...later] = this.#happenings;
    this.#happenings = later;
    for (const happening of [first, second]) if (happening !== undefined) this.#happen(happening);
  }

  #happen(happening: Happening): void {
    this.time += 1;
    if (happening.kind === 'beat') {
      const start = gateStartId(String(happening.start).repeat(12));
      this.#onBeat({ start, number: this.time, gate: 'g', controller: controllerId('acme'), recipients: [] });
    } else if (happening.kind === 'insert') {
      this.#insert(happening.subject);
    } else {
      const open = this.rows.filter(({ committedAt }) => committedAt === null);
      const row = open[happening.nth % Math.max(1, open.length)];
      if (row !== undefined) row.committedAt = this.time;
    }
  }

  /** REC-1: the subject is locked before the insert, so its next row waits for the commit of the one before. */
  #insert(subject: number): void {
    if (this.rows.some(({ key, committedAt }) => key === `s${subject}` && committedAt === null)) return;
    const version = (this.#versions.get(subject) ?? 0) + 1;
    this.#versions.set(subject, version);
    this.rows.push({
      ...{
        id: this.rows.length + 1,
        eventId: `e${this.rows.length + 1}`,
        topic: topics.revocations,
        key: `s${subject}`,
      },
      ...{ type: 'x', payload: JSON.stringify({ version }), traceparent: null, shard: subject % 3, time: 't' },
      ...{ committedAtMs: 0, direction: null, version, committedAt: null, deleted: false },
    });
  }

  readonly publisher: EventPublisher = {
    publish: async (records) => {
      await this.elsewhere();
      const partitions = new Set(records.map(({ partition }) => partition));
      return [...partitions].map((partition) =>
        this.#append(
          partition,
          records.filter((r) => r.partition === partition),
        ),
      );
    },
    reset: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };

  #append(partition: number, records: readonly OutRecord[]): PublishResult {
    const [fate = 'acknowledged', ...later] = this.#fates;
    this.#fates = later;
    const log = this.log.get(partition) ?? [];
    this.log.set(partition, log);
    const baseOffset = BigInt(log.length);
    if (fate !== 'refused') log.push(...records);
    if (fate !== 'acknowledged') return { topic: topics.revocations, partition, ok: false, error: new Error(fate) };
    for (const { headers } of records) this.acknowledged.add(String(headers?.['ce_id']));
    return { topic: topics.revocations, partition, ok: true, baseOffset, count: records.length };
  }

  /** The lock connection's statements that a pass uses. */
  store(): LockStore {
    const unused = () => Promise.reject(new Error('a pass does not do this'));
    const registered = (): RegisteredStarts =>
      new Map([...this.gates].map((start) => [gateStartId(start), { lastSeenAgeMs: 0 }]));
    return {
      ...{ enterCensus: unused, liveInstances: unused, lockShards: unused, unlockShards: unused, recordOwner: unused },
      ...{ keepBusy: unused, oweRepublish: unused },
      exclusively: (work) => this.elsewhere().then(() => work(undefined as never)),
      registerGates: async (beats) => {
        await this.elsewhere();
        for (const { start } of beats) this.gates.add(start);
      },
      strikeGates: () => this.elsewhere(),
      passStart: async () => {
        await this.elsewhere();
        return { registered: registered(), upTo: this.rows.length, passTime: '2026-01-01T00:00:00.000000Z' };
      },
      readPage: async (_lane, { shards, upTo, perShard }) => {
        await this.elsewhere();
        const visible = this.rows.filter(
          (row) => row.committedAt !== null && !row.deleted && row.id <= (upTo ?? Infinity),
        );
        return shards.flatMap((shard) => visible.filter((row) => row.shard === shard).slice(0, perShard));
      },
      deleteRows: async (_lane, ids) => {
        await this.elsewhere();
        this.deleted.push(...ids);
        for (const row of this.rows) if (ids.includes(row.id)) row.deleted = true;
      },
      commitPass: async (records: readonly PassRecord[]) => {
        await this.elsewhere();
        for (const { shard } of records) this.#passes.set(shard, (this.#passes.get(shard) ?? 0) + 1);
        return new Map(records.map(({ shard }) => [shard, this.#passes.get(shard) ?? 0]));
      },
    };
  }
}

/** The watermark in a record, if it is one. */
export function watermarkIn(record: OutRecord): Watermark | null {
  if (String(record.key) !== watermarkKey) return null;
  const headers = Object.fromEntries(
    Object.entries(record.headers ?? {}).map(([name, value]) => [name, String(value)]),
  );
  const event = decodeEvent(headers, record.value);
  return event.type === 'org.entente.relay.watermark.v1' ? event.data : null;
}
