import type { ConsentChanged, EnforcementRecorded, GateBeat, GateConfirmed, Watermark } from '@entente/contracts';
import { eachRecord, type Ends, type ForeignRecord } from '../../../e2e/foreign-client.ts';
import type { HistoryEvent, TopicRecord } from '../../checker/index.ts';
import { monotonicOfWall } from '../clock.ts';
import type { WrongClocks } from './wrong-clocks.ts';

const types: Readonly<Record<string, TopicRecord['type']>> = {
  'org.entente.consent.changed.v1': 'change',
  'org.entente.relay.watermark.v1': 'watermark',
  'org.entente.gate.beat.v1': 'beat',
  'org.entente.gate.confirmed.v1': 'confirmation',
  'org.entente.gate.signed-off.v1': 'sign-off',
  'org.entente.enforcement.recorded.v1': 'enforcement',
  'org.entente.sharing.exposed.v1': 'exposure',
};

/**
 * Every record of every topic, read with a client of another maker: at rest, and before that of what a fault is about to take
 * away. Each record counts once, in the epoch of its log.
 */
export class TopicReader {
  readonly #bootstrap: readonly string[];
  readonly #events: HistoryEvent[] = [];
  readonly #starts = new Map<string, GateStart>();
  /** Up to where the present log of a partition was read, by `topic/partition`. */
  readonly #read = new Map<string, bigint>();
  readonly #epochs = new Map<string, number>();

  readonly #clocks: WrongClocks;

  constructor(bootstrap: readonly string[], clocks: WrongClocks) {
    this.#bootstrap = bootstrap;
    this.#clocks = clocks;
  }

  /** @returns up to where each of these topics was read now, by `topic/partition`, and how many records stand there */
  async read(topics?: readonly string[]): Promise<{ readonly ends: Ends; readonly records: number }> {
    let records = 0;
    const ends = await eachRecord(
      this.#bootstrap,
      (record) => {
        records += 1;
        this.#take(record);
      },
      { topics },
    );
    for (const [place, end] of ends) this.#read.set(place, end);
    return { ends, records };
  }

  /** The topic was deleted and made again: its offsets begin anew. */
  madeAnew(topic: string): void {
    this.#epochs.set(topic, this.#epochOf(topic) + 1);
    for (const place of this.#read.keys()) if (place.startsWith(`${topic}/`)) this.#read.delete(place);
  }

  /** In the order of their times. */
  get starts(): readonly GateStart[] {
    return [...this.#starts.values()].sort((a, b) => a.at - b.at);
  }

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  #epochOf(topic: string): number {
    return this.#epochs.get(topic) ?? 0;
  }

  #take(record: ForeignRecord): void {
    const { topic, partition, offset } = record;
    if (offset < (this.#read.get(`${topic}/${partition}`) ?? 0n)) return;
    this.#events.push(...eventsOf(record, this.#epochOf(topic), this.#clocks));
    noteStart(this.#starts, record);
  }
}

/** One start of a gate, and when its first beat stood in the log. */
export interface GateStart {
  readonly gate: string;
  readonly start: string;
  readonly at: number;
}

function noteStart(first: Map<string, GateStart>, record: ForeignRecord): void {
  if (typeOf(record) !== 'beat') return;
  const { value, timestamp } = record;
  const { gate, start } = JSON.parse(value) as GateBeat;
  const at = monotonicOfWall(timestamp);
  const known = first.get(start);
  if (known === undefined || at < known.at) first.set(start, { gate, start, at });
}

/** Put on every record that the nemesis writes: it is nobody's word, and takes an offset. */
export const strangeHeader = 'nemesis';

const typeOf = ({ headers }: ForeignRecord): TopicRecord['type'] =>
  strangeHeader in headers ? 'other' : (types[headers['ce_type'] ?? ''] ?? 'other');

export function eventsOf(foreign: ForeignRecord, epoch: number, clocks: WrongClocks): HistoryEvent[] {
  const { topic, partition, offset, key, value, timestamp } = foreign;
  const type = typeOf(foreign);
  const at = monotonicOfWall(timestamp);
  const place = { topic, partition, offset: Number(offset), key, ...(epoch === 0 ? {} : { epoch }) };
  const record: HistoryEvent = {
    kind: 'topic.record',
    at,
    ...place,
    type,
    ...contentOf(type, value),
    ...sentAt(foreign, type, clocks),
  };
  if (type !== 'confirmation') return [record];
  const { controller, start, confirmed } = JSON.parse(value) as GateConfirmed;
  return [
    record,
    ...confirmed.map(({ subjectKey: subject, version }): HistoryEvent => ({
      ...{ kind: 'gate.confirmed', at, start, controller, subject, version },
    })),
  ];
}

/** A lease counts from the sending of a beat, which its gate stamps (GATE-2): a gate whose clock is right. */
function sentAt({ value, timestamp, createdAt }: ForeignRecord, type: TopicRecord['type'], clocks: WrongClocks) {
  if (type !== 'beat') return {};
  const { gate } = JSON.parse(value) as GateBeat;
  return clocks.wasWrong(gate, monotonicOfWall(timestamp)) ? {} : { sentAt: monotonicOfWall(createdAt) };
}

function contentOf(type: TopicRecord['type'], value: string): Partial<TopicRecord> {
  switch (type) {
    case 'change': {
      const { controller, version, direction } = JSON.parse(value) as ConsentChanged;
      return { controller, version, direction };
    }
    case 'enforcement': {
      const { controller, version, direction, recipient, outcome } = JSON.parse(value) as EnforcementRecorded;
      return { controller, version, direction, recipient, outcome };
    }
    case 'watermark': {
      const { beats, logEpoch } = JSON.parse(value) as Watermark;
      return { beats, logEpoch };
    }
    case 'beat': {
      const { start, number } = JSON.parse(value) as GateBeat;
      return { beats: [[start, number]] };
    }
    case 'confirmation':
    case 'sign-off':
    case 'exposure':
    case 'other':
      return {};
  }
}
