import { Consumer, MessagesStreamModes } from '@platformatic/kafka';
import { topicSettings } from '@entente/contracts';
import { uuidv7 } from '@entente/contracts';
import { systemClock } from '@entente/observability';

export interface ForeignRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
  /** The record's own, in milliseconds. */
  readonly timestamp: number;
}

/** Nothing new for this long means that the ends were reached. Milliseconds. */
const quietMs = 1_500;

/** Reads every topic of ours from its beginning with a client that shares no code with ours. */
export async function readTopics(bootstrap: readonly string[]): Promise<ForeignRecord[]> {
  const consumer = new Consumer({
    groupId: `foreign-${uuidv7(systemClock.now())}`,
    clientId: 'foreign-reader',
    bootstrapBrokers: [...bootstrap],
  });
  const records: ForeignRecord[] = [];
  try {
    const stream = await consumer.consume({
      topics: topicSettings.map(({ name }) => name),
      mode: MessagesStreamModes.EARLIEST,
      autocommit: false,
      maxWaitTime: 200,
    });
    await new Promise<void>((resolve, reject) => {
      let timer = setTimeout(resolve, quietMs * 4);
      // Beats and watermarks never cease: the end is the moment at which the reader began.
      const began = systemClock.now();
      stream.on('error', reject);
      stream.on('data', (message) => {
        if (Number(message.timestamp) > began) return;
        clearTimeout(timer);
        timer = setTimeout(resolve, quietMs);
        records.push({
          topic: message.topic,
          partition: message.partition,
          offset: message.offset,
          key: message.key.toString('utf8'),
          headers: Object.fromEntries(
            [...message.headers].map(([name, value]) => [name.toString('utf8'), value.toString('utf8')]),
          ),
          value: message.value.toString('utf8'),
          timestamp: Number(message.timestamp),
        });
      });
    });
    await stream.close();
  } finally {
    await consumer.close(true);
  }
  return records;
}
