import {
  cloudEventHeaders,
  encodeEvent,
  topics,
  watermarkKey,
  type CatalogueChanged,
  type ConsentChanged,
  type EventData,
  type EventType,
  type Watermark,
} from '@entente/contracts';
import { partitionOf, type InRecord, type OutRecord } from '@entente/kafka';

function event<T extends EventType>(type: T, data: EventData[T], subject: string) {
  const time = '2026-11-01T10:00:00.000Z';
  return {
    value: encodeEvent(type, data),
    headers: cloudEventHeaders({
      id: '018f0000-0000-7000-8000-000000000000',
      source: 'urn:entente:test',
      type,
      subject,
      time,
    }),
  };
}

export function changeRecord(topic: string, data: ConsentChanged): OutRecord & { headers: Record<string, string> } {
  const key = Buffer.from(data.subjectKey);
  return { topic, partition: partitionOf(key), key, ...event('org.entente.consent.changed.v1', data, data.subjectKey) };
}

export const watermarkRecord = (
  partition: number,
  data: Watermark,
): OutRecord & { headers: Record<string, string> } => ({
  topic: topics.revocations,
  partition,
  key: Buffer.from(watermarkKey),
  ...event('org.entente.relay.watermark.v1', data, 'relay'),
});

export const catalogueRecord = (data: CatalogueChanged): OutRecord & { headers: Record<string, string> } => ({
  topic: topics.catalogue,
  partition: 0,
  key: Buffer.from(data.controller),
  ...event('org.entente.catalogue.changed.v1', data, data.controller),
});

/** A record as read back. */
export const received = (record: OutRecord & { headers?: Record<string, string> }, offset: bigint): InRecord => ({
  ...record,
  headers: record.headers ?? {},
  offset,
  timestamp: 0,
});
