import type { Invariant } from '../evidence/evidence.ts';
import { firstWhere } from '../evidence/intervals.ts';
import { logsOf, type Log } from '../evidence/logs.ts';
import { inOrder } from '../excerpt.ts';
import type { TopicRecord } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * LOST-WRITE: the broker acknowledged a record that the tap did not find. INCONSISTENT-OFFSET: two different records
 * at one offset. DUPLICATE: two records of one change that disagree; equal ones are lawful, consumers fence by version.
 */
export const topicRecords: Invariant = ({ events }) => [
  ...[...logsOf(events).values()].flatMap((log) => [...lostWrites(log), ...twoAtOneOffset(log)]),
  ...disagreeing(events.of('topic.record')),
];

function lostWrites({ topic, partition, records, acks, ends }: Log): Violation[] {
  if (records.length === 0 && !ends) return [];
  const found: Violation[] = [];
  for (const ack of acks) {
    const epoch = ack.epoch ?? 0;
    const at = firstWhere(
      records,
      (record) => (record.epoch ?? 0) > epoch || ((record.epoch ?? 0) === epoch && record.offset >= ack.offset),
    );
    const record = records[at];
    const there = record?.offset === ack.offset && (record.epoch ?? 0) === epoch;
    const where = `${topic}/${partition} at offset ${ack.offset}`;
    if (!there) {
      found.push({ rule: 'LOST-WRITE', what: `${where} was acknowledged and is not in the log`, events: [ack] });
    } else if (record.key !== ack.key || (ack.version !== undefined && ack.version !== record.version)) {
      const what = `${where} holds another record than was acknowledged`;
      found.push({ rule: 'INCONSISTENT-OFFSET', what, events: inOrder(ack, record) });
    }
  }
  return found;
}

function twoAtOneOffset({ topic, partition, records }: Log): Violation[] {
  const found: Violation[] = [];
  for (const [position, record] of records.entries()) {
    const before = records[position - 1];
    if (before?.offset !== record.offset || (before.epoch ?? 0) !== (record.epoch ?? 0)) continue;
    if (before.key === record.key && before.version === record.version && before.digest === record.digest) continue;
    const what = `${topic}/${partition} showed two records at offset ${record.offset}`;
    found.push({ rule: 'INCONSISTENT-OFFSET', what, events: inOrder(before, record) });
  }
  return found;
}

function disagreeing(records: readonly TopicRecord[]): Violation[] {
  const first = new Map<string, TopicRecord>();
  const found: Violation[] = [];
  for (const record of records) {
    const { type, controller, key, version, digest } = record;
    if (type !== 'change' || controller === undefined || version === undefined || digest === undefined) continue;
    const change = `${controller} ${key} ${version}`;
    const known = first.get(change);
    if (!known) first.set(change, record);
    else if (known.digest !== digest && !atSameOffset(known, record)) {
      const what = `two records of version ${version} of ${key} differ`;
      found.push({ rule: 'DUPLICATE', what, events: [known, record] });
    }
  }
  return found;
}

const atSameOffset = (one: TopicRecord, other: TopicRecord): boolean =>
  one.topic === other.topic &&
  one.partition === other.partition &&
  one.offset === other.offset &&
  (one.epoch ?? 0) === (other.epoch ?? 0);
