import {
  decodeEvent,
  idPattern,
  UndecodableRecord,
  watermarkKey,
  type CatalogueChanged,
  type ConsentChanged,
  type ControllerId,
  type EventType,
  type SubjectKey,
  type Watermark,
} from '@entente/contracts';
import type { InRecord } from '@entente/kafka';

/** A record of one of the three logs, read. */
export type LogRecord =
  | { readonly kind: 'change'; readonly change: ConsentChanged }
  | { readonly kind: 'watermark'; readonly watermark: Watermark }
  | { readonly kind: 'catalogue'; readonly change: CatalogueChanged }
  /** Another controller's: only its offset counts. */
  | { readonly kind: 'foreign' }
  /** Closes its key, or its partition when `subjectKey` is null (design.md §4). */
  | { readonly kind: 'undecodable'; readonly subjectKey: SubjectKey | null; readonly why: string }
  /** A watermark that cannot be read earns no lease; the next one says all it said. */
  | { readonly kind: 'unreadable-watermark'; readonly why: string };

const subjectKeyShape = new RegExp(idPattern.subjectKey);

/** Which event types may stand in a log; anything else there is treated as undecodable. */
export type Expected = ReadonlySet<EventType>;
export const inRevocations: Expected = new Set(['org.entente.consent.changed.v1', 'org.entente.relay.watermark.v1']);
export const inChanges: Expected = new Set(['org.entente.consent.changed.v1']);
export const inCatalogue: Expected = new Set(['org.entente.catalogue.changed.v1']);

export function readRecord(record: InRecord, expected: Expected, controller: ControllerId): LogRecord {
  const key = record.key?.toString('utf8') ?? '';
  try {
    const event = decodeEvent(record.headers, record.value);
    if (!expected.has(event.type)) return unreadable(key, `${event.type} does not belong here`);
    if (event.type === 'org.entente.relay.watermark.v1' && key === watermarkKey)
      return { kind: 'watermark', watermark: event.data };
    if (event.type === 'org.entente.catalogue.changed.v1') return { kind: 'catalogue', change: event.data };
    if (event.type !== 'org.entente.consent.changed.v1') return unreadable(key, `${event.type} under another key`);
    if (event.data.subjectKey !== key) return unreadable(key, 'key and subjectKey differ');
    return event.data.controller === controller ? { kind: 'change', change: event.data } : { kind: 'foreign' };
  } catch (err) {
    if (err instanceof UndecodableRecord) return unreadable(key, err.message);
    throw err;
  }
}

function unreadable(key: string, why: string): LogRecord {
  if (key === watermarkKey) return { kind: 'unreadable-watermark', why };
  return { kind: 'undecodable', subjectKey: subjectKeyShape.test(key) ? (key as SubjectKey) : null, why };
}
