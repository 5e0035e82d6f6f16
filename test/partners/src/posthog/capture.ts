import { filled, isRecord, list, record, type Json } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { captureOp, invalid, unauthenticated } from './answers.ts';
import type { PosthogStore } from './store.ts';

const eventsIn = (request: PartnerRequest): readonly Json[] =>
  list(record(request.body)['batch']).map((event) => record(event));

const distinctIdOf = (event: Json): string | undefined =>
  filled(event['distinct_id']) ?? filled(record(event['properties'])['distinct_id']);

/** What can be set on a person stands in `properties`, or beside them (posthog-node puts it there for `$identify`). */
const propertiesOf = (event: Json): Json => ({
  ...(isRecord(event['$set']) ? { $set: event['$set'] } : {}),
  ...(isRecord(event['$set_once']) ? { $set_once: event['$set_once'] } : {}),
  ...record(event['properties']),
});

/** The capture service: `POST /batch/`. It says Ok to whatever it can read (PostHog source, `rust/capture`). */
export function captureOperation(token: string): Operation {
  function capture(request: PartnerRequest): Answer {
    const { api_key: key, batch } = record(request.body);
    if (request.bodyState !== 'read' || !Array.isArray(batch)) return invalid('Invalid payload');
    if (filled(key) === undefined || String(key).startsWith('phx_')) return unauthenticated(captureOp);
    const events = eventsIn(request);
    if (events.length === 0) return invalid('Empty batch');
    // One event without an id or a name, and the whole batch is refused.
    const wrong = events.findIndex((event, index) => index < request.badRows || distinctIdOf(event) === undefined);
    if (wrong >= 0) return invalid(`Event at index ${wrong} has no valid distinct_id`, 'distinct_id');
    if (events.some((event) => filled(event['event']) === undefined)) return invalid('Missing event name', 'event');
    // Whether the project exists is found out long after the answer: what nobody owns is dropped.
    const known = key === token;
    return {
      status: 200,
      body: { status: 'Ok' },
      effects: events.map((event) => ({
        what: known ? 'captured' : 'dropped',
        identifiers: [distinctIdOf(event) ?? ''],
        scope: `event/${String(event['event'])}`,
        detail: { event: event['event'], properties: propertiesOf(event), capturedMs: request.nowMs },
      })),
    };
  }

  return {
    op: captureOp,
    method: 'POST',
    paths: ['/batch/', '/batch'],
    asks: (request) =>
      eventsIn(request).map((event) => ({
        what: 'capture',
        identifiers: [distinctIdOf(event) ?? ''],
        scope: `event/${String(event['event'])}`,
        detail: { properties: propertiesOf(event) },
      })),
    handle: capture,
  };
}

/** What has come through ingestion by now: in the order it was captured. */
export const dueEvents = (store: PosthogStore, nowMs: number, afterMs: number): readonly Deed[] =>
  store.underway
    .filter(({ capturedMs }) => capturedMs + afterMs <= nowMs)
    .map(({ number, distinctId, event, capturedMs }) => ({
      what: 'ingested',
      identifiers: [distinctId],
      scope: `event/${event}`,
      // When it was through, not when somebody looked: a deletion asked for in between must find it.
      detail: { number, storedMs: capturedMs + afterMs },
    }));
