import { randomBytes } from 'node:crypto';
import { topics } from '@entente/contracts';
import { partitionOf } from '@entente/kafka';
import { eachRecord, type ForeignRecord } from '../../../e2e/foreign-client.ts';
import type { Random } from '../../../sim/engine/random.ts';
import type { Nemesis } from '../../checker/index.ts';
import { strangeHeader } from '../evidence/topics.ts';
import { write, type StrangeRecord } from '../stranger.ts';
import type { World } from '../world.ts';
import { second, type Fault } from './fault.ts';

/** Everything somebody of the system reads. */
const everyTopic = [
  ...[topics.revocations, topics.changes, topics.catalogue, topics.gates],
  ...[topics.enforcements, topics.shareRequests, topics.sends],
] as const;
/** Where the order of records, and that each comes once, could matter to somebody. */
const ordered = [topics.revocations, topics.changes, topics.gates, topics.enforcements] as const;

/**
 * F10: "bad bytes, wrong schema version, unknown type, null key/value, 10 MiB, bad UTF-8"; F11: "duplicate x2..x1000, reorder
 * window 1..100". A record that is whole, valid and forged is not among them: whoever may write to these topics is trusted
 * (GATE-7), and brokers refuse what is longer than a megabyte.
 */
export const strangeRecords = (world: World, random: Random): Fault[] => [
  ...poisons.map((poison) => poisoned(poison, world, random)),
  ...repeats.map((repeat) => repeated(repeat, world, random)),
];

interface Poison {
  readonly how: string;
  /** @param key of a person somebody has heard of */
  readonly record: (key: string) => Pick<StrangeRecord, 'key' | 'value' | 'headers'>;
}

const changed = {
  ce_specversion: '1.0',
  ce_type: 'org.entente.consent.changed.v1',
  'content-type': 'application/json',
};
const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

const poisons: readonly Poison[] = [
  { how: 'bytes that mean nothing', record: (key) => ({ key, value: randomBytes(64), headers: changed }) },
  { how: 'half a value', record: (key) => ({ key, value: bytes('{"controller":"acme","subj'), headers: changed }) },
  { how: 'no value', record: (key) => ({ key, value: null, headers: changed }) },
  { how: 'bad UTF-8', record: (key) => ({ key, value: Buffer.from([0x22, 0xc3, 0x28, 0x22]), headers: changed }) },
  { how: 'a value of another shape', record: (key) => ({ key, value: bytes('{"version":"two"}'), headers: changed }) },
  {
    how: 'a version nobody knows yet',
    record: (key) => ({ key, value: bytes('{}'), headers: { ...changed, ce_type: 'org.entente.consent.changed.v9' } }),
  },
  { how: 'no headers', record: (key) => ({ key, value: bytes('{}'), headers: {} }) },
  { how: '900 kB of nothing', record: (key) => ({ key, value: Buffer.alloc(900_000, 'x'), headers: changed }) },
  { how: 'no key', record: () => ({ key: null, value: bytes('x'), headers: changed }) },
  { how: 'a key that is nobody’s', record: () => ({ key: 'nobody', value: bytes('x'), headers: changed }) },
];

const poisoned = ({ how, record }: Poison, world: World, random: Random): Fault => ({
  ...{ id: 'F10', how: `record with ${how}`, target: 'records', lasts: [second, 4 * second] },
  impose() {
    const topic = random.pick(everyTopic);
    const person = random.pick([...world.keys.values()]);
    const count = Math.ceil(random.between(0, 3));
    const partition = topic === topics.catalogue ? 0 : partitionOf(person);
    return written(
      'poison',
      world,
      Array.from({ length: count }, () => ({ topic, partition, ...record(person) })),
    );
  },
});

interface Repeat {
  readonly how: string;
  readonly of: (newest: readonly ForeignRecord[], random: Random) => readonly ForeignRecord[];
}

const repeats: readonly Repeat[] = [
  { how: 'the newest records again', of: (newest) => newest },
  { how: 'the newest records in reverse', of: (newest) => newest.toReversed() },
  { how: 'the newest records in any order', of: (newest, random) => shuffled(newest, random) },
  {
    how: 'one record 200 times',
    of: (newest, random) => (newest.length === 0 ? [] : Array<ForeignRecord>(200).fill(random.pick(newest))),
  },
];
/** Of each partition. */
const window = 100;

const repeated = ({ how, of }: Repeat, world: World, random: Random): Fault => ({
  ...{ id: 'F11', how, target: 'records', lasts: [second, 4 * second] },
  async impose() {
    const topic = random.pick(ordered);
    const records = of((await newestOf(world, topic)).filter(isWhole), random);
    const again = records.map(({ partition, key, value, headers }) => ({
      ...{ topic, partition, key, value: bytes(value), headers },
    }));
    return written('duplicate', world, again);
  },
});

/** None where the brokers are another fault's just now. */
async function newestOf({ infrastructure }: World, topic: string): Promise<ForeignRecord[]> {
  const newest: ForeignRecord[] = [];
  const take = (record: ForeignRecord): void => void newest.push(record);
  try {
    await eachRecord(infrastructure.bootstrap, take, { topics: [topic], newest: window });
    return newest;
  } catch {
    return [];
  }
}

/** What was strange already would be read back as another thing than it is. */
const isWhole = ({ headers, key }: ForeignRecord): boolean => !(strangeHeader in headers) && key !== '';

function shuffled<T>(some: readonly T[], random: Random): T[] {
  return some
    .map((one) => [random.between(0, 1), one] as const)
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one);
}

/** Null where the brokers are another fault's just now. */
async function written(
  what: Nemesis['what'],
  { infrastructure }: World,
  records: readonly StrangeRecord[],
): ReturnType<Fault['impose']> {
  const marked = records.map((record) => ({ ...record, headers: { ...record.headers, [strangeHeader]: what } }));
  if (marked.length === 0 || !(await write(infrastructure.bootstrap, marked))) return null;
  return { event: { what, target: 'kafka' }, heal: () => Promise.resolve(marked.length) };
}
