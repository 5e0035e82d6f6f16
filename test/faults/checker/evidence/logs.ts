import type {
  ConsumerAssigned,
  ConsumerPoll,
  InLog,
  ProduceAck,
  StoreEvent,
  TopicEnds,
  TopicRecord,
} from '../history.ts';
import type { ByKind } from './by-kind.ts';
import { entry, firstWhere } from './intervals.ts';

/** One partition's log as the tap read it, and what the broker and the consumers said of it. */
export interface Log {
  readonly topic: string;
  readonly partition: number;
  /** Ascending by (epoch, offset). */
  readonly records: TopicRecord[];
  readonly acks: ProduceAck[];
  ends?: TopicEnds;
}

/** How one store read one partition, in order of time. */
export interface Reading {
  readonly store: string;
  readonly log: Log;
  readonly steps: (ConsumerPoll | ConsumerAssigned | StoreEvent)[];
}

const logKey = ({ topic, partition }: InLog): string => `${topic} ${partition}`;

export function logsOf(events: ByKind): Map<string, Log> {
  const logs = new Map<string, Log>();
  const log = (of: InLog): Log =>
    entry(logs, logKey(of), () => ({ topic: of.topic, partition: of.partition, records: [], acks: [] }));
  for (const record of events.of('topic.record')) log(record).records.push(record);
  for (const ack of events.of('produce.ack')) log(ack).acks.push(ack);
  for (const ends of events.of('topic.ends')) log(ends).ends = ends;
  for (const { records } of logs.values()) {
    records.sort((a, b) => (a.epoch ?? 0) - (b.epoch ?? 0) || a.offset - b.offset);
  }
  return logs;
}

/** Readings of every store, with the store's own losses and seedings set between the polls where they belong. */
export function readingsOf(events: ByKind, logs: ReadonlyMap<string, Log>): Reading[] {
  const readings = new Map<string, Reading>();
  const byStore = new Map<string, Reading[]>();
  for (const step of [...events.of('consumer.poll'), ...events.of('consumer.assigned')]) {
    const reading = entry(readings, `${step.store} ${logKey(step)}`, () => {
      const log = logs.get(logKey(step)) ?? { topic: step.topic, partition: step.partition, records: [], acks: [] };
      const made: Reading = { store: step.store, log, steps: [] };
      entry(byStore, step.store, () => []).push(made);
      return made;
    });
    reading.steps.push(step);
  }
  for (const event of events.of('store')) {
    if (event.what === 'registered' || event.what === 'seeded') continue;
    for (const reading of byStore.get(event.store) ?? []) reading.steps.push(event);
  }
  for (const { steps } of readings.values()) steps.sort((a, b) => a.at - b.at || firstOffset(a) - firstOffset(b));
  return [...readings.values()];
}

/** Of steps at one instant a loss or an assignment comes first, then the polls in the order of their offsets. */
const firstOffset = (step: Reading['steps'][number]): number => (step.kind === 'consumer.poll' ? step.first : -1);

/** The first record of the log at or above an offset; the newest epoch counts. */
export function recordFrom({ records }: Log, offset: number): TopicRecord | undefined {
  const epoch = records.at(-1)?.epoch ?? 0;
  const at = firstWhere(
    records,
    (record) => (record.epoch ?? 0) > epoch || ((record.epoch ?? 0) === epoch && record.offset >= offset),
  );
  return records[at];
}
