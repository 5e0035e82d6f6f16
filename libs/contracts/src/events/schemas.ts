import { consentModeKeys, identifierKinds, legalBases, parties, recipientKinds } from '../catalogue.ts';
import { idPattern } from '../ids.ts';
import { decisions } from '../vector.ts';
import { causes, outcomes } from './types.ts';

/**
 * JSON Schemas 2020-12 of every record value. Readers are open (unknown members are ignored); the committed copies
 * under `libs/contracts/schemas/` are what outsiders validate with, and a spec keeps both equal.
 */
const text = (pattern: string) => ({ type: 'string', pattern }) as const;
const name = text(idPattern.name);
const controller = text(idPattern.controller);
const subjectKey = text(idPattern.subjectKey);
const gateStart = text(idPattern.gateStart);
const version = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER } as const;
const count = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
/** The years and offsets that a Postgres timestamp can hold. */
const time = {
  type: 'string',
  format: 'date-time',
  pattern: '^(?!0000)\\d{4}-.*(Z|[+-](0\\d|1[0-4]):\\d\\d)$',
  maxLength: 40,
} as const;
const jwe = text('^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$');
const names = { type: 'array', items: name, maxItems: 1000 } as const;
const plainText = {
  type: 'object',
  required: ['en', 'fr'],
  properties: { en: { type: 'string' }, fr: { type: 'string' } },
} as const;

const object = (required: Record<string, unknown>, optional: Record<string, unknown> = {}) => ({
  type: 'object',
  required: Object.keys(required),
  properties: { ...required, ...optional },
});

const mapOf = (pattern: string, value: unknown) => ({
  type: 'object',
  propertyNames: { pattern },
  additionalProperties: value,
});

const purposeState = object(
  { decision: { enum: decisions }, since: time },
  { notice: text(idPattern.noticeRef), validUntil: time, refused: names, lent: { const: true } },
);

const consentChanged = object({
  controller,
  subjectKey,
  version,
  catalogue: count,
  direction: { enum: ['deny', 'grant'] },
  vector: mapOf(idPattern.name, purposeState),
  changes: {
    type: 'array',
    items: object({
      purpose: name,
      from: { enum: [...decisions, null] },
      to: { enum: decisions },
      cause: { enum: causes },
    }),
  },
  recipients: names,
  committedAt: time,
  sealed: mapOf(idPattern.name, jwe),
});

const strings = { type: 'array', items: { type: 'string' } } as const;
const numbers = { type: 'array', items: { type: 'integer', minimum: 1 } } as const;

const purposeMapping = object(
  {},
  {
    tcf: object({ purposes: numbers }, { specialFeatures: numbers }),
    gpp: strings,
    consentMode: { type: 'array', items: { enum: consentModeKeys } },
    fides: strings,
    att: { type: 'boolean' },
  },
);

const purpose = object(
  {
    id: name,
    title: plainText,
    description: plainText,
    legalBasis: { enum: legalBases },
    dataCategories: strings,
    party: { enum: parties },
    fields: strings,
    active: { type: 'boolean' },
  },
  {
    supplier: name,
    minAge: { type: 'integer', minimum: 1 },
    explicit: { type: 'boolean' },
    validityDays: { type: 'integer', minimum: 1 },
    reaskAfterDays: { type: 'integer', minimum: 0 },
    replacedBy: name,
    mapping: purposeMapping,
  },
);

const notice = object(
  {
    id: name,
    version: { type: 'integer', minimum: 1 },
    text: plainText,
    contentHash: text('^[0-9a-f]{64}$'),
    purposes: mapOf(idPattern.name, names),
  },
  { locales: strings, material: { type: 'boolean' } },
);

const recipient = object(
  {
    id: name,
    name: { type: 'string' },
    kind: { enum: recipientKinds },
    partner: name,
    audience: name,
    purposes: names,
    identifiers: { type: 'array', items: { enum: identifierKinds } },
    preloaded: { type: 'boolean' },
    active: { type: 'boolean' },
  },
  { tcfVendor: { type: 'integer', minimum: 1 } },
);

const catalogueChanged = object({
  controller,
  number: version,
  purposes: { type: 'array', items: purpose },
  notices: { type: 'array', items: notice },
  recipients: { type: 'array', items: recipient },
  committedAt: time,
});

const watermark = object({
  incarnation: count,
  number: count,
  logEpoch: count,
  highestAcked: text('^(-1|[0-9]{1,19})$'),
  passTime: time,
  catalogue: count,
  ledger: object({ number: count, hash: text('^[0-9a-f]{64}$') }),
  beats: { type: 'array', items: { type: 'array', prefixItems: [gateStart, count], minItems: 2, maxItems: 2 } },
});

const fromGate = { start: gateStart, gate: { type: 'string', minLength: 1, maxLength: 128 }, controller };
const gateBeat = object({ ...fromGate, number: version, recipients: names });
const gateConfirmed = object(
  {
    ...fromGate,
    recipients: names,
    confirmed: { type: 'array', items: object({ subjectKey, version, closedAt: time }) },
  },
  { clock: object({ offsetMs: { type: 'number' }, errorMs: { type: 'number', minimum: 0 } }) },
);
const gateSignedOff = object({ ...fromGate, ended: gateStart });

const enforcementRecorded = object(
  {
    controller,
    subjectKey,
    recipient: name,
    version,
    direction: { enum: ['deny', 'grant'] },
    outcome: { enum: outcomes },
    attempts: count,
    at: time,
    clockErrorMs: { type: 'number', minimum: 0 },
  },
  {
    reason: { type: 'string', maxLength: 200 },
    reference: { type: 'string', maxLength: 200 },
    consumedAt: time,
  },
);

const sentence = { type: 'string', minLength: 1, maxLength: 500 } as const;
const recipientDescribed = object({
  controller,
  recipient: name,
  documentedDelay: object({ en: sentence, fr: sentence }),
  at: time,
});

const subjectExposed = object({ controller, subjectKey, recipient: name, purpose: name, at: time });

const sharesSent = object({
  controller,
  recipient: name,
  gate: { type: 'string', minLength: 1, maxLength: 128 },
  clockErrorMs: { type: 'number', minimum: 0 },
  sends: {
    type: 'array',
    minItems: 1,
    maxItems: 1000,
    items: object({ subjectKey, purpose: name, version, at: time }),
  },
});

const shareRequested = object(
  {
    controller,
    subjectKey,
    purpose: name,
    recipient: name,
    requestId: { type: 'string', minLength: 1, maxLength: 128 },
    payload: jwe,
  },
  { atLeastVersion: version },
);

/** CloudEvents `type` → schema of the data. */
export const eventSchemas = {
  'org.entente.consent.changed.v1': consentChanged,
  'org.entente.catalogue.changed.v1': catalogueChanged,
  'org.entente.relay.watermark.v1': watermark,
  'org.entente.gate.beat.v1': gateBeat,
  'org.entente.gate.confirmed.v1': gateConfirmed,
  'org.entente.gate.signed-off.v1': gateSignedOff,
  'org.entente.enforcement.recorded.v1': enforcementRecorded,
  'org.entente.recipient.described.v1': recipientDescribed,
  'org.entente.sharing.exposed.v1': subjectExposed,
  'org.entente.sharing.sent.v1': sharesSent,
  'org.entente.sharing.requested.v1': shareRequested,
} as const;

export type EventType = keyof typeof eventSchemas;

/** File name under `libs/contracts/schemas/` and last part of `dataschema`: `consent.changed.v1.json`. */
export const schemaFile = (type: EventType): string => `${type.replace('org.entente.', '')}.json`;

/** Where a schema is served; never fetched at run time (standards.md S-4). */
export const dataSchemaUri = (type: EventType): string => `urn:entente:schema:${type.replace('org.entente.', '')}`;

/** A schema as a complete document of its own. */
export const schemaDocument = (type: EventType): object => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: dataSchemaUri(type),
  title: type,
  ...eventSchemas[type],
});
