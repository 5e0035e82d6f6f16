import { filled, isRecord, list, record, type Json } from '../narrow.ts';

/** What the validation server says of a payload; the collecting server says nothing and drops it. */
export interface ValidationMessage {
  readonly fieldPath: string;
  readonly description: string;
  readonly validationCode: string;
}

const said = (fieldPath: string, validationCode: string, description: string): ValidationMessage => ({
  fieldPath,
  description,
  validationCode,
});

const eventName = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;
const paramName = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;
const userPropertyName = /^[A-Za-z][A-Za-z0-9_]{0,23}$/;
const reservedPrefix = /^(firebase_|ga_|google_|gtag\.)/;
const reservedEvents = new Set([
  'app_remove',
  'error',
  'first_open',
  'first_visit',
  'session_start',
  'user_engagement',
]);
const consentValues = new Set(['GRANTED', 'DENIED']);
const consentKeys = new Set(['ad_user_data', 'ad_personalization']);

/** Limits of the Measurement Protocol for Google Analytics 4 (reference, "Limitations"). */
export function validate(body: unknown): readonly ValidationMessage[] {
  if (!isRecord(body)) return [said('', 'VALUE_INVALID', 'Unable to parse Measurement Protocol JSON payload.')];
  const events = list(body['events']);
  return [
    ...(filled(body['client_id']) === undefined
      ? [said('client_id', 'VALUE_REQUIRED', 'Measurement requires a client_id.')]
      : []),
    ...(events.length === 0 ? [said('events', 'VALUE_REQUIRED', 'Measurement requires at least one event.')] : []),
    ...(events.length > 25 ? [said('events', 'EXCEEDED_MAX_ENTITIES', 'A request may hold at most 25 events.')] : []),
    ...events.flatMap((event, index) => eventFaults(record(event), index)),
    ...consentFaults(body['consent']),
    ...userPropertyFaults(record(body['user_properties'])),
  ];
}

function eventFaults(event: Json, index: number): readonly ValidationMessage[] {
  const name = filled(event['name']) ?? '';
  const params = Object.entries(record(event['params']));
  return [
    ...(eventName.test(name)
      ? []
      : [said('events', 'NAME_INVALID', `Event at index: [${index}] has invalid name [${name}].`)]),
    ...(reservedPrefix.test(name) || reservedEvents.has(name)
      ? [said('events', 'NAME_RESERVED', `Event at index: [${index}] has reserved name [${name}].`)]
      : []),
    ...(params.length > 25 ? [said('events.params', 'EXCEEDED_MAX_ENTITIES', 'An event may hold 25 parameters.')] : []),
    ...params.flatMap(([param, value]) => [
      ...(paramName.test(param) && !reservedPrefix.test(param)
        ? []
        : [said('events.params', 'NAME_INVALID', `Parameter name [${param}] is invalid.`)]),
      ...(typeof value === 'string' && value.length > 100
        ? [said('events.params', 'VALUE_INVALID', `Parameter [${param}] exceeds 100 characters.`)]
        : []),
    ]),
  ];
}

function userPropertyFaults(properties: Json): readonly ValidationMessage[] {
  const entries = Object.entries(properties);
  return [
    ...(entries.length > 25 ? [said('user_properties', 'EXCEEDED_MAX_ENTITIES', 'At most 25 user properties.')] : []),
    ...entries.flatMap(([name, property]) => {
      const { value } = record(property);
      const bad =
        !userPropertyName.test(name) || reservedPrefix.test(name) || (typeof value === 'string' && value.length > 36);
      return bad ? [said('user_properties', 'VALUE_INVALID', `User property [${name}] is invalid.`)] : [];
    }),
  ];
}

function consentFaults(consent: unknown): readonly ValidationMessage[] {
  if (consent === undefined) return [];
  const wrong = Object.entries(record(consent)).filter(
    ([key, value]) => !consentKeys.has(key) || !consentValues.has(String(value)),
  );
  return isRecord(consent) && wrong.length === 0 ? [] : [said('consent', 'VALUE_INVALID', 'Consent is invalid.')];
}
