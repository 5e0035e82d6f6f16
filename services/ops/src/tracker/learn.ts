import {
  decodeEvent,
  UndecodableRecord,
  type CatalogueChanged,
  type EventData,
  type ReceivedEvent,
  type RecipientDescribed,
} from '@entente/contracts';
import type { InRecord } from '@entente/kafka';
import { acceptedTraceparent } from '@entente/observability';
import type { PoolClient } from '@entente/postgres';
import { keepReadBack } from '../leaks/read-back.ts';
import { keepExposure } from '../leaks/replay-sends.ts';
import type { Settled, StandingRecord } from './outcome-fold.ts';
import { recordChanges, type SeenChange } from './record-changes.ts';
import { recordBeats, recordConfirmations, recordSignOff } from './record-gates.ts';
import { recordOutcomes } from './record-outcomes.ts';

/** What one committed batch taught, for metrics and live pages. */
export interface Learned {
  readonly changes: readonly SeenChange[];
  readonly settled: readonly Settled[];
  /** Keys whose picture may have moved. */
  readonly touched: ReadonlySet<string>;
}

/** A record, and what it says. */
export interface Heard {
  readonly record: InRecord;
  readonly event: ReceivedEvent;
}

export interface Unreadable {
  readonly record: InRecord;
  readonly reason: string;
}

/** Those that can be read, and those that are kept by their place and passed over: one must not hide the others. */
export function heard(records: readonly InRecord[]): { readonly heard: Heard[]; readonly unreadable: Unreadable[] } {
  const result = { heard: [] as Heard[], unreadable: [] as Unreadable[] };
  for (const record of records)
    try {
      result.heard.push({ record, event: decodeEvent(record.headers, record.value) });
    } catch (error) {
      if (!(error instanceof UndecodableRecord)) throw error;
      result.unreadable.push({ record, reason: error.message.slice(0, 500) });
    }
  return result;
}

/** Whether a record can change anything here: a batch of others is only passed over. */
export const concernsTracker = ({ event: { type } }: Heard): boolean =>
  type !== 'org.entente.relay.watermark.v1' && type !== 'org.entente.sharing.requested.v1';

/** Writes what the records say, in one transaction; the order between topics does not matter. */
export async function learn(tx: PoolClient, records: readonly Heard[]): Promise<Learned> {
  await lockSubjects(
    tx,
    records.flatMap(({ event }) => subjectsOf(event)),
  );
  // Starts before what they confirmed, and their end last: a beat never brings back a start that has signed off.
  const beats = records.flatMap(({ record, event }) =>
    event.type === 'org.entente.gate.beat.v1' ? [{ beat: event.data, atMs: record.timestamp }] : [],
  );
  await recordBeats(tx, beats);
  await recordConfirmations(tx, of(records, 'org.entente.gate.confirmed.v1'));
  for (const signedOff of of(records, 'org.entente.gate.signed-off.v1')) await recordSignOff(tx, signedOff);
  for (const exposed of of(records, 'org.entente.sharing.exposed.v1')) await keepExposure(tx, exposed);
  for (const changed of of(records, 'org.entente.catalogue.changed.v1')) await recordRecipients(tx, changed);
  for (const described of of(records, 'org.entente.recipient.described.v1')) await recordDescription(tx, described);
  const outcomes = records.flatMap(({ event }): StandingRecord[] =>
    event.type === 'org.entente.enforcement.recorded.v1'
      ? [{ ...event.data, traceparent: acceptedTraceparent(event.traceparent) }]
      : [],
  );
  const settled = await recordOutcomes(tx, outcomes);
  for (const outcome of outcomes) await keepReadBack(tx, outcome);
  const seen = records.flatMap(({ record, event }): SeenChange[] =>
    event.type === 'org.entente.consent.changed.v1'
      ? [{ changeId: event.id, publishedAtMs: record.timestamp, change: event.data }]
      : [],
  );
  const recorded = await recordChanges(tx, seen);
  const touched = new Set(records.flatMap(touchedBy));
  return { changes: recorded.changes, settled: [...settled, ...recorded.settled], touched };
}

const of = <T extends ReceivedEvent['type']>(records: readonly Heard[], type: T): EventData[T][] =>
  records.flatMap(({ event }) => (event.type === type ? [event.data as EventData[T]] : []));

/**
 * Unreadable records are counted by those who ask whether everything is known. One read anew is looked into anew: in a log made
 * again it is another record.
 */
export async function quarantine(tx: PoolClient, unreadable: readonly Unreadable[]): Promise<void> {
  if (unreadable.length === 0) return;
  await tx.query(
    `INSERT INTO quarantine (topic, partition, log_offset, reason)
     SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[])
     ON CONFLICT (topic, partition, log_offset) DO UPDATE SET reason = excluded.reason, at = clock_timestamp(), dismissed_at = NULL`,
    [
      unreadable.map(({ record }) => record.topic),
      unreadable.map(({ record }) => record.partition),
      unreadable.map(({ record }) => String(record.offset)),
      unreadable.map(({ reason }) => reason),
    ],
  );
}

const touchedBy = ({ event: { type, data } }: Heard): string[] => {
  if (type === 'org.entente.gate.confirmed.v1') return data.confirmed.map(({ subjectKey }) => subjectKey);
  const moves = type === 'org.entente.consent.changed.v1' || type === 'org.entente.enforcement.recorded.v1';
  return moves ? [data.subjectKey] : [];
};

/** Grants are expected nowhere, so nothing said of them can be missed: a bulk import locks nobody out. */
const subjectsOf = ({ type, data }: ReceivedEvent): string[] => {
  if (type === 'org.entente.consent.changed.v1' && data.direction === 'grant') return [];
  if (type === 'org.entente.gate.confirmed.v1') return data.confirmed.map(({ subjectKey }) => subjectKey);
  return 'subjectKey' in data ? [data.subjectKey] : [];
};

/**
 * A change and what is said of it come on different topics, in transactions that may run side by side: each would look
 * for the other and find nothing. One lock per subject (of a bounded set, taken in order) lets the later one see the
 * earlier.
 */
async function lockSubjects(tx: PoolClient, subjects: readonly string[]): Promise<void> {
  if (subjects.length === 0) return;
  await tx.query(
    `SELECT pg_advisory_xact_lock($2, slot) FROM (
       SELECT DISTINCT (hashtextextended(s, 0) & 1023)::int AS slot FROM unnest($1::text[]) AS s ORDER BY slot) AS slots`,
    [subjects, subjectLocks],
  );
}

/** Advisory lock class of the tracker's subjects. */
const subjectLocks = 7_205_002;

async function recordRecipients(tx: PoolClient, { controller, recipients }: CatalogueChanged): Promise<void> {
  for (const recipient of recipients)
    await tx.query(
      `INSERT INTO recipient (controller, id, name, kind, active) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (controller, id) DO UPDATE SET name = excluded.name, kind = excluded.kind, active = excluded.active`,
      [controller, recipient.id, recipient.name, recipient.kind, recipient.active],
    );
}

/** The newest word counts, whichever instance of the connector said it. */
const recordDescription = (
  tx: PoolClient,
  { controller, recipient, documentedDelay, at }: RecipientDescribed,
): Promise<unknown> =>
  tx.query(
    `INSERT INTO recipient_description AS d (controller, recipient, documented_delay, at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (controller, recipient) DO UPDATE SET documented_delay = excluded.documented_delay, at = excluded.at
      WHERE d.at < excluded.at`,
    [controller, recipient, documentedDelay, at],
  );
