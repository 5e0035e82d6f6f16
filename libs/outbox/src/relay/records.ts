import { cloudEventHeaders, encodeEvent, topics, watermarkKey } from '@entente/contracts';
import type { EventType, LedgerHead, ReturnedBeat } from '@entente/contracts';
import type { OutRecord } from '@entente/kafka';
import type { LogPosition } from './log-position.ts';
import type { StoredRow } from './rows.ts';

/** CloudEvents `source` of a service's events. */
const sourceOf = (service: string): string => `urn:entente:${service}`;

/** The value goes out as the text Postgres holds: no parsing, no copy that could differ from the ledger's. */
export function recordOf(service: string, row: StoredRow, traceparent = row.traceparent): OutRecord {
  return {
    topic: row.topic,
    partition: row.shard,
    key: Buffer.from(row.key),
    value: Buffer.from(row.payload),
    headers: cloudEventHeaders({
      id: row.eventId,
      source: sourceOf(service),
      // The writer's type is published as it is; readers know what they know.
      type: row.type as EventType,
      subject: row.key,
      time: row.time,
      ...(traceparent === null ? {} : { traceparent }),
    }),
  };
}

/** What a pass found in step (2) that goes into every watermark of it. */
export interface PassFacts {
  readonly incarnation: number;
  readonly catalogue: number;
  readonly ledger: LedgerHead;
  /** Database time, ISO 8601. */
  readonly passTime: string;
}

export interface WatermarkParts {
  readonly eventId: string;
  readonly shard: number;
  readonly number: number;
  readonly log: LogPosition;
  readonly beats: readonly ReturnedBeat[];
}

/** REL-4 step (5). */
export function watermarkRecord(service: string, facts: PassFacts, parts: WatermarkParts): OutRecord {
  const value = encodeEvent('org.entente.relay.watermark.v1', {
    incarnation: facts.incarnation,
    number: parts.number,
    logEpoch: parts.log.epoch,
    highestAcked: parts.log.highestAcked.toString(),
    passTime: facts.passTime,
    catalogue: facts.catalogue,
    ledger: facts.ledger,
    beats: parts.beats,
  });
  return {
    topic: topics.revocations,
    partition: parts.shard,
    key: Buffer.from(watermarkKey),
    value,
    headers: cloudEventHeaders({
      id: parts.eventId,
      source: sourceOf(service),
      type: 'org.entente.relay.watermark.v1',
      subject: watermarkKey,
      time: facts.passTime,
    }),
  };
}
