import { filled, isRecord, record, type Json } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { mixpanelError, received, recordsIn, unauthorized } from './answers.ts';
import type { MixpanelStore } from './store.ts';

/** Per request, events and profile updates alike (reference, "Import events" and "Update multiple profiles"). */
const recordLimit = 2_000;
const importBytes = 10_000_000;
const hourMs = 3_600_000;
/** Some of the values that usually are a mistake, and are refused as `distinct_id` (reference, "Import events"). */
const placeholders = new Set(['anon', 'anonymous', 'nil', 'none', 'null', 'n/a', 'undefined', '0', '-1']);

interface Fault {
  readonly index: number;
  readonly insert_id: string;
  readonly field: string;
  readonly message: string;
}

const propertiesOf = (event: unknown): Json => record(record(event)['properties']);
const idsOf = (value: unknown): readonly string[] => (filled(value) === undefined ? [] : [String(value)]);

/** `/import`, `/track` and `/engage` of api.mixpanel.com (partner-apis.md §13). */
export function ingestionOperations(store: MixpanelStore, token: string): readonly Operation[] {
  function eventFault(event: unknown, nowMs: number): readonly [field: string, message: string] | undefined {
    const { time, distinct_id: id, $insert_id: insertId } = propertiesOf(event);
    if (filled(record(event)['event']) === undefined) return ['event', "'event' is invalid: must not be missing"];
    if (typeof id !== 'string' || placeholders.has(id.toLowerCase()))
      return ['properties.distinct_id', "'properties.distinct_id' is invalid: must not be missing or a placeholder"];
    if (typeof insertId !== 'string' || !/^[\w-]{1,36}$/.test(insertId))
      return ['properties.$insert_id', "'properties.$insert_id' is invalid: must not be missing"];
    if (typeof time !== 'number' || millisecondsOf(time) > nowMs + hourMs)
      return ['properties.time', "'properties.time' is invalid: must be specified as seconds since epoch"];
    return undefined;
  }

  function tracked(event: unknown, seenHere: Set<string>): Deed {
    const name = String(record(event)['event']);
    const { distinct_id: id, ...properties } = propertiesOf(event);
    const key = JSON.stringify([name, properties['time'], id, properties['$insert_id']]);
    const repeated = properties['$insert_id'] !== undefined && (store.seen(key) || seenHere.has(key));
    seenHere.add(key);
    const what = repeated ? 'duplicate' : 'tracked';
    return { what, identifiers: idsOf(id), scope: `event/${name}`, detail: { key, properties } };
  }

  /** `strict=1`: events that fail are named, the others are taken, and the answer is 400 all the same. */
  function importEvents(request: PartnerRequest): Answer {
    const events = recordsIn(request);
    if (request.bytes > importBytes)
      return mixpanelError(request.op, 413, 'request exceeds max limit of 10485760 bytes');
    if (events === undefined || events.length === 0 || !events.every(isRecord))
      return mixpanelError(request.op, 400, 'request body must be a list of events');
    if (events.length > recordLimit)
      return mixpanelError(request.op, 413, `request exceeds max limit of ${recordLimit} events`);
    const failed: Fault[] = [];
    const good: Json[] = [];
    events.forEach((event, index) => {
      const bad: ReturnType<typeof eventFault> =
        index < request.badRows
          ? ['properties.distinct_id', "'properties.distinct_id' is invalid: must not be a placeholder"]
          : eventFault(event, request.nowMs);
      if (bad === undefined) good.push(event);
      else
        failed.push({
          index,
          insert_id: String(propertiesOf(event)['$insert_id'] ?? ''),
          field: bad[0],
          message: bad[1],
        });
    });
    const seen = new Set<string>();
    const effects = good.map((event) => tracked(event, seen));
    if (failed.length === 0 || request.query.get('strict') !== '1')
      return { status: 200, body: { code: 200, num_records_imported: good.length, status: 'OK' }, effects };
    return {
      status: 400,
      body: {
        code: 400,
        error: 'some data points in the request failed validation',
        status: 'Bad Request',
        num_records_imported: good.length,
        failed_records: failed,
      },
      effects,
    };
  }

  function track(request: PartnerRequest): Answer {
    const events = recordsIn(request) ?? [];
    if (events.length === 0) return received(request, 'data, missing or empty');
    if (events.some((event) => propertiesOf(event)['token'] !== token))
      return received(request, 'token, missing or invalid');
    const seen = new Set<string>();
    return received(
      request,
      null,
      events.map((event) => tracked(event, seen)),
    );
  }

  /** What is wrong with a batch of profile updates: one wrong record and nothing of the batch is done. */
  function updateFault(updates: readonly unknown[], badRows: number): string | null {
    if (updates.length === 0 || !updates.every(isRecord)) return 'data, missing or empty';
    if (updates.length > recordLimit) return `data, more than ${recordLimit} records`;
    if (updates.some(({ $token }) => $token !== token)) return '$token, missing or invalid';
    const wrong = updates.findIndex(({ $distinct_id: id }, index) => index < badRows || filled(id) === undefined);
    if (wrong >= 0) return `$distinct_id, missing or invalid in record ${wrong}`;
    return updates.every((update) => '$delete' in update || isRecord(update['$set']))
      ? null
      : 'no operation in a record';
  }

  function engage(request: PartnerRequest): Answer {
    const updates = recordsIn(request) ?? [];
    const fault = updateFault(updates, request.badRows);
    return fault === null ? received(request, null, updates.map(updated)) : received(request, fault);
  }

  const asksOf = (request: PartnerRequest): readonly unknown[] => recordsIn(request) ?? [];
  const askEvents = (request: PartnerRequest): readonly Deed[] =>
    asksOf(request).map((event) => ({
      what: 'track',
      identifiers: idsOf(propertiesOf(event)['distinct_id']),
      scope: `event/${String(record(event)['event'])}`,
      detail: { properties: propertiesOf(event) },
    }));
  return [
    {
      op: 'events.import',
      method: 'POST',
      paths: ['/import'],
      asks: askEvents,
      handle: (request) => (basicUserOf(request) === token ? importEvents(request) : unauthorized(request.op)),
    },
    ...['POST', 'GET'].map((method) => ({
      op: 'events.track',
      method,
      paths: ['/track'],
      asks: askEvents,
      handle: track,
    })),
    ...['POST', 'GET'].map((method) => ({
      op: 'profiles.update',
      method,
      paths: ['/engage'],
      asks: (request: PartnerRequest) => asksOf(request).map((update) => ({ ...updated(update), what: 'update' })),
      handle: engage,
    })),
  ];
}

function updated(update: unknown): Deed {
  const { $distinct_id: id, $set: set } = record(update);
  const identifiers = idsOf(id);
  if ('$delete' in record(update)) return { what: 'profileDeleted', identifiers, scope: 'profile' };
  return { what: 'profileSet', identifiers, scope: 'profile', detail: { set: record(set) } };
}

/** Seconds or milliseconds: below the year 5138 in seconds it is seconds. */
const millisecondsOf = (time: number): number => (time < 100_000_000_000 ? time * 1_000 : time);

/** The project token goes there with an empty password (reference, "Import events", authentication). */
function basicUserOf({ headers }: PartnerRequest): string | undefined {
  const { authorization } = headers;
  if (authorization?.startsWith('Basic ') !== true) return undefined;
  return Buffer.from(authorization.slice('Basic '.length), 'base64').toString('utf8').split(':')[0];
}
