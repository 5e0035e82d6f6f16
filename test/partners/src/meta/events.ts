import { randomUUID } from 'node:crypto';
import { filled, isRecord, list, parsed, record, type Json } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import * as answers from './answers.ts';
import { parameter } from './payload.ts';

const versions = ['v25.0', 'v24.0'];
/** Events per request (partner-apis.md §2). */
const eventLimit = 1_000;
const daySeconds = 86_400;
const oldest = (source: unknown): number => (source === 'physical_store' ? 62 : 7) * daySeconds;

const hashed = ['em', 'ph', 'fn', 'ln', 'ge', 'db', 'ct', 'st', 'zp', 'country'];
const unhashed = ['external_id', 'client_ip_address', 'client_user_agent', 'fbc', 'fbp'];
const sources = new Set([
  'website',
  'app',
  'email',
  'phone_call',
  'chat',
  'physical_store',
  'system_generated',
  'business_messaging',
  'other',
]);

function eventsIn(request: PartnerRequest): readonly Json[] {
  const data = parameter(request, 'data');
  // In forms lists travel as JSON text.
  return list(typeof data === 'string' ? parsed(data) : data).map(record);
}

/** One value or a list of them. */
const valuesOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];

const identifiersOf = (event: Json): readonly string[] =>
  ['em', 'ph'].flatMap((key) => valuesOf(record(event['user_data'])[key]).flatMap((value) => filled(value) ?? []));

function eventFault(event: Json, nowMs: number): string | undefined {
  const { event_name: name, event_time: time, action_source: source, user_data: user } = event;
  if (filled(name) === undefined) return 'Param data[event_name] must be a string';
  if (typeof time !== 'number') return 'Param data[event_time] must be an integer';
  const age = nowMs / 1_000 - time;
  if (age > oldest(source)) return 'Event Timestamp Too Old';
  if (age < -daySeconds) return 'Event Timestamp In The Future';
  if (!sources.has(String(source))) return 'Param data[action_source] must be one of the known sources';
  if (!isRecord(user) || Object.keys(user).length === 0) return 'Param data[user_data] must not be empty';
  const unknown = Object.keys(user).find((key) => !hashed.includes(key) && !unhashed.includes(key));
  if (unknown !== undefined) return `Param data[user_data][${unknown}] is not supported`;
  const plain = hashed.find((key) => valuesOf(user[key]).some((value) => !/^[0-9a-f]{64}$/.test(String(value))));
  if (plain !== undefined) return `Param data[user_data][${plain}] must be hashed`;
  const options = valuesOf(event['data_processing_options']);
  return options.every((option) => option === 'LDU') ? undefined : 'Unknown data processing option';
}

/** Events of one pixel (partner-apis.md §2): one invalid event rejects the batch. */
export function eventsOperation({ pixel = '1234567890' }: { readonly pixel?: string }): Operation {
  const asks = (request: PartnerRequest): readonly Deed[] =>
    eventsIn(request).map((event) => ({
      what: 'event',
      identifiers: identifiersOf(event),
      scope: `pixel/${request.params['pixel'] ?? ''}`,
      detail: {
        id: event['event_id'],
        name: event['event_name'],
        limited: valuesOf(event['data_processing_options']).includes('LDU'),
      },
    }));

  function receive(request: PartnerRequest): Answer {
    const given = request.params['pixel'] ?? '';
    if (given !== pixel) return answers.unknownObject(given);
    if (request.bodyState === 'malformed') return answers.invalidParameter('The request body is not valid JSON');
    const events = eventsIn(request);
    if (events.length === 0 || events.length > eventLimit)
      return answers.invalidParameter(`Param data must be an array of 1 to ${eventLimit} events`);
    const fault = events
      .map((event, index) => (index < request.badRows ? 'Invalid parameter' : eventFault(event, request.nowMs)))
      .find((each) => each !== undefined);
    if (fault !== undefined) return answers.invalidParameter(fault);
    const code = filled(parameter(request, 'test_event_code'));
    return {
      status: 200,
      body: { events_received: events.length, messages: [], fbtrace_id: randomUUID().replaceAll('-', '').slice(0, 22) },
      // Test events show in the tool alone.
      effects: code === undefined ? asks(request) : [],
    };
  }

  return {
    op: 'events.send',
    method: 'POST',
    paths: versions.map((version) => `/${version}/{pixel}/events`),
    asks,
    handle: receive,
  };
}
