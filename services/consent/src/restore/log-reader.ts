import { incarnationOf, topics, topicSettings, watermarkKey } from '@entente/contracts';
import type { InRecord, Kafka, OffsetRange } from '@entente/kafka';
import type { Kept } from './coverage.ts';

/** Offsets per read: some megabytes in memory. */
const pageSize = 10_000n;
const changedType = 'org.entente.consent.changed.v1';

/** A log as it stood when the restore began. */
export interface LogRange {
  readonly topic: string;
  readonly partition: number;
  readonly range: OffsetRange;
}

/** What a first look over one partition of one log finds. */
export interface Survey {
  readonly log: LogRange;
  readonly kept: Kept;
  /** The highest incarnation that any version or watermark names. */
  readonly incarnation: number;
  /** The highest catalogue number that any watermark names. */
  readonly catalogue: number;
}

export async function rangesOf(kafka: Kafka, topic: string): Promise<LogRange[]> {
  const admin = kafka.admin();
  try {
    return [...(await admin.offsets(topic))]
      .map(([partition, range]) => ({ topic, partition, range }))
      .sort((a, b) => a.partition - b.partition);
  } finally {
    await admin.close();
  }
}

/** The records of a log from `from` on, a page at a time. */
export async function* pagesOf(
  kafka: Kafka,
  { topic, partition, range }: LogRange,
  from: bigint,
): AsyncGenerator<InRecord[]> {
  for (let next = from > range.low ? from : range.low; next < range.high; next += pageSize) {
    const end = next + pageSize < range.high ? next + pageSize : range.high;
    yield await kafka.readRange(topic, partition, next, end);
  }
}

export const isChange = ({ headers }: InRecord): boolean => headers['ce_type'] === changedType;

export async function survey(kafka: Kafka, log: LogRange): Promise<Survey> {
  let firstAt: number | null = null;
  let newestAt: number | null = null;
  let [incarnation, catalogue] = [0, 0];
  for await (const page of pagesOf(kafka, log, log.range.low))
    for (const record of page) {
      const at = Date.parse(record.headers['ce_time'] ?? '');
      firstAt ??= Number.isNaN(at) ? record.timestamp : at;
      if (isChange(record)) newestAt = Number.isNaN(at) ? newestAt : at;
      const told = toldBy(record);
      incarnation = Math.max(incarnation, told.incarnation);
      catalogue = Math.max(catalogue, told.catalogue);
    }
  const retentionMs = topicSettings.find(({ name }) => name === log.topic)?.retentionMs ?? 0;
  const { topic, partition, range } = log;
  return { log, kept: { topic, partition, low: range.low, firstAt, newestAt, retentionMs }, incarnation, catalogue };
}

interface Told {
  readonly incarnation: number;
  readonly catalogue: number;
}

/** Only numbers are wanted; a value that cannot be read is judged where it would be merged. */
function toldBy(record: InRecord): Told {
  const nothing = { incarnation: 0, catalogue: 0 };
  const isMark = record.topic === topics.revocations && record.key?.toString() === watermarkKey;
  if (!isMark && !isChange(record)) return nothing;
  const data = numbersIn(record.value);
  return isMark
    ? { incarnation: data.incarnation ?? 0, catalogue: data.catalogue ?? 0 }
    : { ...nothing, incarnation: incarnationOf(data.version ?? 0) };
}

function numbersIn(value: Buffer | null): {
  readonly incarnation?: number;
  readonly catalogue?: number;
  readonly version?: number;
} {
  try {
    return (JSON.parse(value?.toString() ?? '{}') ?? {}) as object;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
