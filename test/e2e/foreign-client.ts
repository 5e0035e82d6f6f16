import {
  Consumer,
  ListOffsetTimestamps,
  MessagesStreamModes,
  type TopicWithPartitionAndOffset,
} from '@platformatic/kafka';
import { topicSettings } from '@entente/contracts';
import { uuidv7 } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import { createdHeader, tellAppendTimes } from './append-times.ts';

export interface ForeignRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
  /** When the broker appended it, where the topic says so (`LogAppendTime`), else as its producer says; milliseconds. */
  readonly timestamp: number;
  /** When its producer says that it made it, milliseconds. */
  readonly createdAt: number;
}

/** A reader that gets nothing for so long before it has reached the ends is stuck. Milliseconds. */
const stuckMs = 60_000;

/** Every topic of ours as it stood when the reading began, from its beginning, with a client that shares no code with ours. */
export async function readTopics(bootstrap: readonly string[]): Promise<ForeignRecord[]> {
  const records: ForeignRecord[] = [];
  await eachRecord(bootstrap, (record) => void records.push(record));
  return records;
}

/** The offset after the last record of each partition that has any, by `topic/partition`. */
export type Ends = ReadonlyMap<string, bigint>;

type Offsets = ReadonlyMap<string, bigint[]>;

const everyTopic = topicSettings.map(({ name }) => name);

interface WhatToRead {
  readonly topics?: readonly string[] | undefined;
  /** Only so many of each partition. */
  readonly newest?: number;
}

/**
 * As `readTopics`, one by one: a long run's logs are larger than what has to be kept of them.
 * @returns up to where they were read
 */
export async function eachRecord(
  bootstrap: readonly string[],
  take: (record: ForeignRecord) => void,
  { topics = everyTopic, newest = Infinity }: WhatToRead = {},
): Promise<Ends> {
  const consumer = new Consumer({
    groupId: `foreign-${uuidv7(systemClock.now())}`,
    clientId: 'foreign-reader',
    bootstrapBrokers: [...bootstrap],
  });
  tellAppendTimes(consumer);
  try {
    // Beats and watermarks never cease: what counts is what stood in the logs now.
    const first = await consumer.listOffsets({ topics: [...topics], timestamp: ListOffsetTimestamps.EARLIEST });
    const last = await consumer.listOffsets({ topics: [...topics], timestamp: ListOffsetTimestamps.LATEST });
    const ends = endsOf(first, last);
    const read = new Map(ends);
    const stream = await consumer.consume({
      ...{ topics: [...topics], autocommit: false, maxWaitTime: 200 },
      ...(newest === Infinity
        ? { mode: MessagesStreamModes.EARLIEST }
        : { mode: MessagesStreamModes.MANUAL, offsets: beginnings(first, last, newest) }),
    });
    await new Promise<void>((resolve, reject) => {
      const stuck = (): void => reject(new Error(`the reader got nothing for ${stuckMs} ms before ${ends.size} ends`));
      let timer = setTimeout(stuck, stuckMs);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      stream.on('error', reject);
      stream.on('data', (message) => {
        const place = `${message.topic}/${message.partition}`;
        const end = ends.get(place);
        if (end === undefined || message.offset >= end) return;
        clearTimeout(timer);
        timer = setTimeout(stuck, stuckMs);
        const { [createdHeader]: created, ...headers } = Object.fromEntries(
          [...message.headers].map(([name, value]) => [name.toString('utf8'), value.toString('utf8')]),
        );
        take({
          topic: message.topic,
          partition: message.partition,
          offset: message.offset,
          key: textOf(message.key),
          headers,
          value: textOf(message.value),
          timestamp: Number(message.timestamp),
          createdAt: Number(created ?? message.timestamp),
        });
        if (message.offset !== end - 1n) return;
        ends.delete(place);
        if (ends.size === 0) done();
      });
      if (ends.size === 0) done();
    });
    await stream.close();
    return read;
  } finally {
    await consumer.close(true);
  }
}

const beginnings = (first: Offsets, last: Offsets, newest: number): TopicWithPartitionAndOffset[] =>
  [...last].flatMap(([topic, offsets]) =>
    offsets.map((end, partition) => {
      const [low, high] = [first.get(topic)?.[partition] ?? 0n, end];
      const offset = high - low > newest ? high - BigInt(newest) : low;
      return { topic, partition, offset };
    }),
  );

/** What somebody wrote without one reads as empty. */
const textOf = (bytes: Buffer | null | undefined): string => bytes?.toString('utf8') ?? '';

function endsOf(first: Offsets, last: Offsets): Map<string, bigint> {
  const places = [...last].flatMap(([topic, offsets]) =>
    offsets.flatMap((end, partition) =>
      end > (first.get(topic)?.[partition] ?? 0n) ? [[`${topic}/${partition}`, end] as const] : [],
    ),
  );
  return new Map(places);
}
