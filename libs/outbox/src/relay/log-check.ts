import { decodeEvent, topics, UndecodableRecord, watermarkKey } from '@entente/contracts';
import type { Watermark } from '@entente/contracts';
import type { Admin, InRecord, Kafka, OffsetRange } from '@entente/kafka';
import type { Client } from '@entente/postgres';
import type { LedgerPort, PublishedVersion } from './ports.ts';

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
  readonly versions: readonly PublishedVersion[];
}

export type LogVerdict = { readonly kind: 'sound' } | { readonly kind: 'lost'; readonly why: 'head' | 'version' };

const isWatermark = (record: InRecord): boolean => record.key?.toString() === watermarkKey;

/** What a record of the logs says, if it says something RST-4 asks for. */
type Told = { readonly watermark: Watermark } | { readonly published: PublishedVersion } | null;

function told(record: InRecord): Told {
  try {
    if (isWatermark(record)) {
      const event = decodeEvent(record.headers, record.value);
      return event.type === 'org.entente.relay.watermark.v1' ? { watermark: event.data } : null;
    }
    return record.headers['ce_type'] === 'org.entente.consent.changed.v1' ? publishedIn(record.value) : null;
  } catch (error) {
    // What cannot be read says nothing about the ledger; consumers quarantine it.
    if (error instanceof UndecodableRecord || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Thousands of these are read at a takeover, and only three members are wanted: no schema is asked. */
function publishedIn(value: Buffer | null): Told {
  const data = JSON.parse(value?.toString() ?? 'null') as Partial<PublishedVersion> | null;
  const { controller, subjectKey, version } = data ?? {};
  if (typeof controller !== 'string' || typeof subjectKey !== 'string' || typeof version !== 'number') return null;
  return { published: { controller, subjectKey, version } };
}

const newer = (a: Watermark, b: Watermark | null): boolean =>
  b === null || a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.number > b.number);

/** The newest watermark among the records and the highest version of each subject. */
export function logEnd(records: readonly InRecord[]): LogEnd {
  let watermark: Watermark | null = null;
  const versions = new Map<string, PublishedVersion>();
  for (const record of records) {
    const what = told(record);
    if (what === null) continue;
    if ('watermark' in what) {
      if (newer(what.watermark, watermark)) watermark = what.watermark;
      continue;
    }
    const { published } = what;
    const subject = `${published.controller}/${published.subjectKey}`;
    if (published.version > (versions.get(subject)?.version ?? 0)) versions.set(subject, published);
  }
  return { watermark, versions: [...versions.values()] };
}

type Reader = Pick<Kafka, 'readRange'>;

/** Reads backwards until a look contains what is sought, the log begins, or the look is long enough. */
async function lookBack(
  kafka: Reader,
  at: { topic: string; partition: number; range: OffsetRange },
  enough: (records: readonly InRecord[]) => boolean,
): Promise<InRecord[]> {
  const { topic, partition, range } = at;
  for (let look = firstLook; ; look *= growth) {
    const back = range.high - BigInt(look);
    const from = back > range.low ? back : range.low;
    if (from >= range.high) return [];
    const records = await kafka.readRange(topic, partition, from, range.high);
    if (from === range.low || look >= longestLook || enough(records)) return records;
  }
}

/** The newest watermark of the express lane with the records around it, and the end of the complete log. */
export async function readLogEnd(kafka: Reader, admin: Admin, partition: number): Promise<LogEnd> {
  const express = await rangeOf(admin, topics.revocations, partition);
  const revocations = await lookBack(kafka, { topic: topics.revocations, partition, range: express }, (records) =>
    records.some(isWatermark),
  );
  const markedAt = revocations.findLast(isWatermark)?.timestamp;
  const complete = await rangeOf(admin, topics.changes, partition);
  const changes = await lookBack(kafka, { topic: topics.changes, partition, range: complete }, ([first]) =>
    markedAt === undefined || first === undefined ? false : first.timestamp < markedAt - marginMs,
  );
  return logEnd([...revocations, ...changes]);
}

async function rangeOf(admin: Admin, topic: string, partition: number): Promise<OffsetRange> {
  const range = (await admin.offsets(topic)).get(partition);
  if (range === undefined) throw new Error(`${topic} has no partition ${partition}`);
  return range;
}

type Heads = Pick<LedgerPort, 'holdsHead' | 'holdsVersions'>;

/** RST-4. An empty log agrees with every ledger. */
export async function judge(end: LogEnd, client: Client, ledger: Heads): Promise<LogVerdict> {
  const { watermark, versions } = end;
  if (watermark !== null && !(await ledger.holdsHead(client, watermark.ledger, watermark.incarnation)))
    return { kind: 'lost', why: 'head' };
  if (versions.length > 0 && !(await ledger.holdsVersions(client, versions))) return { kind: 'lost', why: 'version' };
  return { kind: 'sound' };
}
