import type { Consumer } from '@platformatic/kafka';

/** Bit 3 of a batch's attributes (KIP-32): the broker stamped it, all its records with the batch's last time. */
const stampedByBroker = 0x08;
/** Where the producer's time of such a record is kept. */
export const createdHeader = '~created';

/** A batch of records as this client decodes it. */
interface Batch {
  readonly attributes: number;
  firstTimestamp: bigint;
  readonly maxTimestamp: bigint;
  readonly records: readonly { timestampDelta: bigint; readonly headers: [Buffer | null, Buffer | null][] }[];
}
interface Fetched {
  readonly responses: readonly { readonly partitions: readonly { readonly records?: readonly Batch[] | null }[] }[];
}
type Answered = (error: Error | null, fetched?: Fetched) => void;

/**
 * This client tells the producer's time of every record, whatever the topic's `message.timestamp.type` is: a producer whose clock
 * is wrong would be believed. From here on it tells the broker's, and the producer's in a header.
 */
export function tellAppendTimes(consumer: Consumer): void {
  const fetch = consumer.fetch.bind(consumer) as (options: object, answered: Answered) => void;
  const stamped = (options: object, answered: Answered): void =>
    fetch(options, (error, fetched) => {
      for (const { partitions } of fetched?.responses ?? [])
        for (const { records } of partitions) for (const batch of records ?? []) stamp(batch);
      answered(error, fetched);
    });
  Object.assign(consumer, { fetch: stamped });
}

export function stamp(batch: Batch): void {
  if ((batch.attributes & stampedByBroker) === 0) return;
  for (const record of batch.records) {
    const created = batch.firstTimestamp + record.timestampDelta;
    record.headers.push([Buffer.from(createdHeader), Buffer.from(String(created))]);
    record.timestampDelta = 0n;
  }
  batch.firstTimestamp = batch.maxTimestamp;
}
