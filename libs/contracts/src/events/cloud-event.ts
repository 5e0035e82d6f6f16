import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { dataSchemaUri, eventSchemas, type EventType } from './schemas.ts';
import type {
  CatalogueChanged,
  ConsentChanged,
  EnforcementRecorded,
  GateBeat,
  GateConfirmed,
  GateSignedOff,
  RecipientDescribed,
  ShareRequested,
  SharesSent,
  SubjectExposed,
  Watermark,
} from './types.ts';

/** Type of the data by CloudEvents `type`. */
export interface EventData {
  'org.entente.consent.changed.v1': ConsentChanged;
  'org.entente.catalogue.changed.v1': CatalogueChanged;
  'org.entente.relay.watermark.v1': Watermark;
  'org.entente.gate.beat.v1': GateBeat;
  'org.entente.gate.confirmed.v1': GateConfirmed;
  'org.entente.gate.signed-off.v1': GateSignedOff;
  'org.entente.enforcement.recorded.v1': EnforcementRecorded;
  'org.entente.recipient.described.v1': RecipientDescribed;
  'org.entente.sharing.exposed.v1': SubjectExposed;
  'org.entente.sharing.sent.v1': SharesSent;
  'org.entente.sharing.requested.v1': ShareRequested;
}

/** A received event, discriminated by `type`. */
export type ReceivedEvent = {
  [T in EventType]: {
    readonly type: T;
    readonly id: string;
    readonly traceparent?: string;
    readonly data: EventData[T];
  };
}[EventType];

/** A record that cannot be read; the caller quarantines it and closes what it may concern (design.md §4). */
export class UndecodableRecord extends Error {
  override readonly name = 'UndecodableRecord';
}

const ajv = new Ajv2020({ allErrors: false, strict: true, strictTuples: false, strictRequired: false });
addFormats.default(ajv, ['date-time']);
const validators = new Map<EventType, ValidateFunction>();

/** Compiled when first asked for: nobody uses all types, and every process and every test file would wait for them. */
function validatorOf(type: EventType): ValidateFunction {
  const known = validators.get(type);
  if (known !== undefined) return known;
  const validate = ajv.compile(eventSchemas[type]);
  validators.set(type, validate);
  return validate;
}

const isEventType = (text: string | undefined): text is EventType =>
  text !== undefined && Object.hasOwn(eventSchemas, text);

export interface CloudEventAttributes<T extends EventType> {
  /** (source, id) is unique and stays the same on a resend. */
  readonly id: string;
  /** `urn:entente:<service>`. */
  readonly source: string;
  readonly type: T;
  /** A pseudonym: subjectKey, gate id or controller. */
  readonly subject: string;
  /** ISO 8601. */
  readonly time: string;
  readonly traceparent?: string | undefined;
}

/** Headers of the CloudEvents 1.0 Kafka binding, binary mode (standards.md CE-4, CE-5). */
export function cloudEventHeaders<T extends EventType>(event: CloudEventAttributes<T>): Record<string, string> {
  return {
    ce_specversion: '1.0',
    ce_id: event.id,
    ce_source: event.source,
    ce_type: event.type,
    ce_subject: event.subject,
    ce_time: event.time,
    ce_dataschema: dataSchemaUri(event.type),
    ce_partitionkey: event.subject,
    'content-type': 'application/json',
    ...(event.traceparent ? { traceparent: event.traceparent } : {}),
  };
}

/** Why data does not fit its schema, as `/pointer message`, or null when it fits. */
export function schemaFault(type: EventType, data: unknown): string | null {
  const validate = validatorOf(type);
  if (validate(data)) return null;
  const [first] = validate.errors ?? [];
  return `${first?.instancePath || '/'} ${first?.message ?? 'is invalid'}`;
}

/** Bytes of a record value for checked data. Throws when our own data breaks our schema: a fault, not bad input. */
export function encodeEvent<T extends EventType>(type: T, data: EventData[T]): Buffer {
  const fault = schemaFault(type, data);
  if (fault) throw new Error(`${type}: ${fault}`);
  return Buffer.from(JSON.stringify(data));
}

/** Reads a record in binary or structured mode. Throws `UndecodableRecord` with the reason, without the content. */
export function decodeEvent(headers: Readonly<Record<string, string>>, value: Buffer | null): ReceivedEvent {
  if (!value) throw new UndecodableRecord('no value');
  const parsed = parseJson(value);
  const structured = headers['content-type']?.toLowerCase().startsWith('application/cloudevents') ?? false;
  const envelope = structured ? (parsed as Record<string, unknown>) : null;
  const type = envelope ? String(envelope['type']) : headers['ce_type'];
  if (!isEventType(type)) throw new UndecodableRecord('unknown event type');
  const data = envelope ? envelope['data'] : parsed;
  const fault = schemaFault(type, data);
  if (fault) throw new UndecodableRecord(`${type}: ${fault}`);
  const id = envelope ? String(envelope['id']) : (headers['ce_id'] ?? '');
  const traceparent = headers['traceparent'];
  return { type, id, ...(traceparent ? { traceparent } : {}), data } as ReceivedEvent;
}

/** Made once: it costs more than the records it reads, and keeps nothing from one to the next. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(value: Buffer): unknown {
  let text: string;
  let parsed: unknown;
  try {
    text = utf8.decode(value);
    parsed = JSON.parse(text);
  } catch {
    throw new UndecodableRecord('not JSON in UTF-8');
  }
  // Only an escape can hold what UTF-8 cannot; looked for only where there is one.
  if (text.includes('\\u') && !isStorable(parsed)) throw new UndecodableRecord('a text that no database can hold');
  return parsed;
}

/** No NUL and no half of a surrogate pair: Postgres takes neither, and a consumer would try for ever. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, member]) => isStorable(key) && isStorable(member));
}
