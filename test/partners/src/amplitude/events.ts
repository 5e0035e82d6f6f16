import { filled, isRecord, list, record, type Json } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { uploadError } from './answers.ts';
import type { ProjectStore } from './store.ts';

/** "Under 1 MB with fewer than 2000 events per request" (HTTP V2 API, "Upload limit"). */
const mostEvents = 2_000;
const mostBytes = 1_000_000;
/** Shorter ids are taken off the event unless `options.min_id_length` says otherwise. */
const shortestId = 5;

/** Ids that stand for nobody (HTTP V2 API, "Device IDs and User IDs minimum length"). */
const nobody = new Set([
  ...['anonymous', 'nil', 'none', 'null', 'n/a', 'na', 'undefined', 'unknown', '', '{}', 'lmy47d', '0', '-1'],
  '00000000-0000-0000-0000-000000000000',
]);

const reserved = new Set(
  ['Start Session', 'End Session', 'Revenue', 'Revenue (Verified)', 'Revenue (Unverified)', 'Merged User'].map(
    (name) => `[Amplitude] ${name}`,
  ),
);

/** Field → indexes of the events in which it is wrong. */
type Faults = Record<string, number[]>;

const eventsIn = (request: PartnerRequest): readonly Json[] => list(record(request.body)['events']).filter(isRecord);

/** Operations on properties: `$set`; anything that is no operation is set as well. */
function propertiesSet(event: Json): Json {
  const given = record(event['user_properties']);
  const plain = Object.entries(given).filter(([name]) => !name.startsWith('$'));
  return { ...Object.fromEntries(plain), ...record(given['$set']) };
}

/** HTTP V2 API and Batch Event Upload, which answer alike. */
export function eventOperations(store: ProjectStore, ingestionMs: number): readonly Operation[] {
  function upload(request: PartnerRequest): Answer {
    const body = record(request.body);
    if (request.headers['content-type']?.startsWith('application/json') !== true)
      return uploadError(400, 'Content-Type must be application/json');
    if (request.bodyState !== 'read') return uploadError(400, 'Invalid JSON request body');
    const events = eventsIn(request);
    if (!Array.isArray(body['events']) || events.length !== body['events'].length || events.length === 0)
      return uploadError(400, 'Request missing required field', { missing_field: 'events' });
    if (events.length > mostEvents || request.bytes > mostBytes) return uploadError(413, 'Payload too large');
    const refusal = refused(events, request);
    return refusal ?? taken(events, request);
  }

  /** One event that is wrong refuses the whole request; the answer names every such event. */
  function refused(events: readonly Json[], request: PartnerRequest): Answer | undefined {
    const minimum = Number(record(record(request.body)['options'])['min_id_length'] ?? shortestId);
    const [missing, invalid, short]: [Faults, Faults, Faults] = [{}, {}, {}];
    const note = (faults: Faults, field: string, index: number): void =>
      void (faults[field] = [...(faults[field] ?? []), index]);
    events.forEach((event, index) => {
      const [user, device] = [filled(event['user_id']), filled(event['device_id'])];
      if (filled(event['event_type']) === undefined) note(missing, 'event_type', index);
      else if (reserved.has(String(event['event_type']))) note(invalid, 'event_type', index);
      if (user === undefined && device === undefined) note(missing, 'user_id', index);
      else if (index < request.badRows || (user !== undefined && nobody.has(user.trim().toLowerCase())))
        note(invalid, 'user_id', index);
      else if (device === undefined && (user?.length ?? 0) < minimum) note(short, 'user_id', index);
      if (event['time'] !== undefined && typeof event['time'] !== 'number') note(invalid, 'time', index);
    });
    if ([missing, invalid, short].every((faults) => Object.keys(faults).length === 0)) return undefined;
    return uploadError(400, 'Request has invalid or missing fields', {
      events_with_missing_fields: missing,
      events_with_invalid_fields: invalid,
      events_with_invalid_id_lengths: short,
      silenced_events: [],
    });
  }

  function taken(events: readonly Json[], request: PartnerRequest): Answer {
    const inserted = new Set<string>();
    const effects = events.map((event): Deed => {
      const insertId = filled(event['insert_id']);
      const repeated = insertId !== undefined && (store.seen(insertId) || inserted.has(insertId));
      if (insertId !== undefined) inserted.add(insertId);
      const what = event['event_type'] === '$identify' ? 'identified' : 'tracked';
      return {
        what: repeated ? 'duplicate' : what,
        identifiers: [String(event['user_id'] ?? event['device_id'])],
        scope: `event/${String(event['event_type'])}`,
        detail: { insertId, set: propertiesSet(event), knownFromMs: request.nowMs + ingestionMs },
      };
    });
    const body = {
      code: 200,
      events_ingested: events.length,
      payload_size_bytes: request.bytes,
      server_upload_time: request.nowMs,
    };
    return { status: 200, body, effects };
  }

  return [
    {
      op: 'events.upload',
      method: 'POST',
      paths: ['/2/httpapi', '/batch'],
      asks: (request) =>
        eventsIn(request).map((event) => ({
          what: event['event_type'] === '$identify' ? 'identify' : 'track',
          identifiers: [String(event['user_id'] ?? '')],
          scope: `event/${String(event['event_type'])}`,
          detail: { properties: record(event['event_properties']), set: propertiesSet(event) },
        })),
      handle: upload,
    },
  ];
}
