import { decodeEvent, topics, UndecodableRecord, watermarkKey } from '@entente/contracts';
import type { Watermark } from '@entente/contracts';
import type { Admin, InRecord, Kafka, OffsetRange } from '@entente/kafka';
import type { Client } from '@entente/postgres';
import type { LedgerPort, PublishedChange } from './ports.ts';

/** Records of the first look back; each further look is eight times as long. */
const firstLook = 64;
const growth = 8;
/** The complete log is read back to this long before the newest watermark: brokers' clocks differ a little. */
const marginMs = 1_000;
/** … and no further than this many records, so that a takeover stays quick. */
const longestLook = 4_096;

/** The end of one partition of both logs, as RST-4 wants to know it. */
export interface LogEnd {
  readonly watermark: Watermark | null;
  /** The highest epoch the log was told of as (REL-5); 0 where nobody has. */
  readonly epoch: number;
  /** That epoch was the log's before: a watermark that names an acknowledgement not below itself was on its way when it ended. */
  readonly untold: boolean;
  readonly changes: readonly PublishedChange[];
}

export type LogVerdict = { readonly kind: 'sound' } | { readonly kind: 'lost'; readonly why: 'head' | 'change' };

const isWatermark = (record: InRecord): boolean => record.key?.toString() === watermarkKey;

/** What a record of the logs says, if it says something RST-4 asks for. */
type Told = { readonly watermark: Watermark; readonly offset: bigint } | { readonly published: PublishedChange } | null;

function told(record: InRecord): Told {
  try {
    if (isWatermark(record)) {
      const event = decodeEvent(record.headers, record.value);
      return event.type === 'org.entente.relay.watermark.v1' ? { watermark: event.data, offset: record.offset } : null;
    }
    return record.headers['ce_type'] === 'org.entente.consent.changed.v1' ? publishedIn(record) : null;
  } catch (error) {
    // What cannot be read says nothing about the ledger; consumers quarantine it.
    if (error instanceof UndecodableRecord) return null;
    throw error;
  }
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Thousands of these are read at a takeover, and only the change's id is wanted: the value is not looked at. */
function publishedIn({ headers, topic, partition, offset }: InRecord): Told {
  const changeId = headers['ce_id'];
  return changeId !== undefined && uuid.test(changeId) ? { published: { changeId, topic, partition, offset } } : null;
}

const newer = (a: Watermark, b: Watermark | null): boolean =>
  b === null || a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.number > b.number);

/** A log that is made anew each second for thirty years has had fewer; `relay_shard.log_epoch` holds twice as many. */
const highestEpoch = 1_000_000_000;

/** The newest watermark and the highest log epoch among the records, and every change. */
export function logEnd(records: readonly InRecord[]): LogEnd {
  let watermark: Watermark | null = null;
  let epoch = 0;
  let strayEpoch = -1;
  const changes: PublishedChange[] = [];
  for (const record of records) {
    const what = told(record);
    if (what === null) continue;
    if ('watermark' in what) {
      // One that no log of ours can have comes from somebody else: learnt, it would fit no column.
      if (what.watermark.logEpoch <= highestEpoch) {
        epoch = Math.max(epoch, what.watermark.logEpoch);
        if (BigInt(what.watermark.highestAcked) >= what.offset)
          strayEpoch = Math.max(strayEpoch, what.watermark.logEpoch);
      }
      if (newer(what.watermark, watermark)) watermark = what.watermark;
      continue;
    }
    changes.push(what.published);
  }
  return { watermark, epoch, untold: strayEpoch === epoch, changes };
}

type Reader = Pick<Kafka, 'readRange'>;

/** Reads backwards until a look contains what is sought, the log begins, or the look is as long as it may be. */
async function lookBack(
  kafka: Reader,
  at: { topic: string; partition: number; range: OffsetRange; longest: number },
  enough: (records: readonly InRecord[]) => boolean,
): Promise<InRecord[]> {
  const { topic, partition, range, longest } = at;
  for (let look = firstLook; ; look *= growth) {
    const back = range.high - BigInt(look);
    const from = back > range.low ? back : range.low;
    if (from >= range.high) return [];
    const records = await kafka.readRange(topic, partition, from, range.high);
    if (from === range.low || look >= longest || enough(records)) return records;
  }
}

/**
 * The newest watermark of the express lane with the records around it, however far back it stands, and the end of the complete
 * log. A pass that drained a backlog leaves thousands of records behind its last watermark.
 */
export async function readLogEnd(
  kafka: Reader,
  admin: Admin,
  partition: number,
): Promise<LogEnd & { readonly expressEnd: bigint }> {
  const at = { partition };
  const express = await rangeOf(admin, topics.revocations, partition);
  const revocations = await lookBack(
    kafka,
    { ...at, topic: topics.revocations, range: express, longest: Infinity },
    (records) => records.some(isWatermark),
  );
  const markedAt = revocations.findLast(isWatermark)?.timestamp;
  const complete = await rangeOf(admin, topics.changes, partition);
  const changes = await lookBack(
    kafka,
    { ...at, topic: topics.changes, range: complete, longest: longestLook },
    ([first]) => (markedAt === undefined || first === undefined ? false : first.timestamp < markedAt - marginMs),
  );
  return { ...logEnd([...revocations, ...changes]), expressEnd: express.high };
}

async function rangeOf(admin: Admin, topic: string, partition: number): Promise<OffsetRange> {
  const range = (await admin.offsets(topic)).get(partition);
  if (range === undefined) throw new Error(`${topic} has no partition ${partition}`);
  return range;
}

type Heads = Pick<LedgerPort, 'holdsHead' | 'holdsChanges'>;

/** RST-4. An empty log agrees with every ledger. */
export async function judge(end: LogEnd, client: Client, ledger: Heads): Promise<LogVerdict> {
  const { watermark, changes } = end;
  if (watermark !== null && !(await ledger.holdsHead(client, watermark.ledger, watermark.incarnation)))
    return { kind: 'lost', why: 'head' };
  if (changes.length > 0 && !(await ledger.holdsChanges(client, changes))) return { kind: 'lost', why: 'change' };
  return { kind: 'sound' };
}
