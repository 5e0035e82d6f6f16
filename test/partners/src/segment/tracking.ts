import { filled, isRecord, list, record, type Json } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { trackingError } from './answers.ts';
import { categoriesOf, type SegmentStore } from './store.ts';

/** HTTP API docs: "There is a maximum of 500KB per batch request and 32KB per call", 2,500 events per batch. */
const batchBytes = 500 * 1024;
const eventBytes = 32 * 1024;
const batchEvents = 2_500;
const types = ['track', 'identify', 'page', 'screen', 'group', 'alias'] as const;
const preferenceEvent = 'Segment Consent Preference Updated';

interface Given {
  readonly event: Json;
  readonly type: string;
  /** userId first; anonymousId alone is enough for Segment. */
  readonly identifiers: readonly string[];
}

function given(event: Json, type: string, sharedContext: Json): Given {
  const identifiers = [filled(event['userId']), filled(event['anonymousId'])].filter((id) => id !== undefined);
  return { event: { ...event, context: { ...sharedContext, ...record(event['context']) } }, type, identifiers };
}

const scopeOf = ({ event, type }: Given): string => (type === 'track' ? `event/${String(event['event'])}` : type);

const consentOf = ({ event }: Given): unknown => record(record(event['context'])['consent'])['categoryPreferences'];

function detailOf(one: Given): Readonly<Record<string, unknown>> {
  const { event, type } = one;
  const consent = categoriesOf(consentOf(one));
  return {
    type,
    ...(filled(event['messageId']) === undefined ? {} : { messageId: event['messageId'] }),
    ...(consent === undefined ? {} : { categoryPreferences: consent }),
    ...(isRecord(event['traits']) ? { traits: event['traits'] } : {}),
    ...(isRecord(event['properties']) ? { properties: event['properties'] } : {}),
  };
}

const oversized = (value: unknown): boolean => Buffer.byteLength(JSON.stringify(value)) > eventBytes;

const eventsIn = (body: Json): readonly Given[] =>
  list(body['batch'])
    .filter(isRecord)
    .map((event) => given(event, filled(event['type']) ?? '', record(body['context'])));

/** Why Segment does not accept an event that it could read. */
function rejection({ event, type, identifiers }: Given): string | undefined {
  if (identifiers.length === 0) return 'no_user_anon_id';
  if (type === 'track' && filled(event['event']) === undefined) return 'no_event_name';
  return types.some((known) => known === type) ? undefined : 'unknown_type';
}

/** api.segment.io: events, with consent stamped on each (partner-apis.md §11). */
export function trackingOperations(store: SegmentStore): readonly Operation[] {
  /** What becomes of one event. Without a consent object it is not filtered and flows on. */
  function outcome(one: Given): string {
    const consent = categoriesOf(consentOf(one));
    if (one.identifiers.some((id) => store.suppressed(id))) return 'dropped';
    if (consent === undefined) return 'unstamped';
    if (one.type === 'track' && one.event['event'] === preferenceEvent) return 'preferenceUpdated';
    return Object.values(consent).some(Boolean) ? 'tracked' : 'filtered';
  }

  function taken(events: readonly Given[], badRows: number): readonly Deed[] {
    const messages = new Set<string>();
    return events.map((one, index) => {
      const why = index < badRows ? 'bad_event' : index >= batchEvents ? 'batch_limit' : rejection(one);
      const message = filled(one.event['messageId']);
      const repeated = message !== undefined && (store.seen(message) || messages.has(message));
      if (message !== undefined) messages.add(message);
      const deed = { identifiers: one.identifiers, scope: scopeOf(one) };
      if (why !== undefined) return { ...deed, what: 'rejected', detail: { type: one.type, why } };
      return { ...deed, what: repeated ? 'duplicate' : outcome(one), detail: detailOf(one) };
    });
  }

  /** Readable events that Segment does not accept are answered 200 all the same (HTTP API docs, "Errors"). */
  function batch(request: PartnerRequest): Answer {
    const body = record(request.body);
    if (request.bodyState !== 'read' || !Array.isArray(body['batch']))
      return trackingError(400, 'invalid JSON: batch must be a list');
    if (request.bytes > batchBytes) return trackingError(400, 'batch exceeds 500KB');
    if (!body['batch'].every(isRecord)) return trackingError(400, 'invalid JSON: each call must be an object');
    if (body['batch'].some(oversized)) return trackingError(400, 'event exceeds 32KB');
    return { status: 200, body: { success: true }, effects: taken(eventsIn(body), request.badRows) };
  }

  function single(request: PartnerRequest, type: string): Answer {
    if (request.bodyState !== 'read') return trackingError(400, 'invalid JSON');
    if (request.bytes > eventBytes) return trackingError(400, 'event exceeds 32KB');
    const one = given(record(request.body), type, {});
    if (one.identifiers.length === 0) return trackingError(400, 'no_user_anon_id');
    return { status: 200, body: { success: true }, effects: taken([one], request.badRows) };
  }

  const ask = (one: Given): Deed => {
    const what = one.event['event'] === preferenceEvent ? 'updatePreference' : one.type;
    return { what, identifiers: one.identifiers, scope: scopeOf(one), detail: detailOf(one) };
  };

  return [
    {
      op: 'track.batch',
      method: 'POST',
      paths: ['/v1/batch'],
      asks: (request) => eventsIn(record(request.body)).map(ask),
      handle: batch,
    },
    ...types.map((type) => ({
      op: `track.${type}`,
      method: 'POST',
      paths: [`/v1/${type}`],
      asks: (request: PartnerRequest) => [ask(given(record(request.body), type, {}))],
      handle: (request: PartnerRequest) => single(request, type),
    })),
  ];
}
