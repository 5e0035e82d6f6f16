import type { PlainText } from '../catalogue.ts';
import { idPattern } from '../ids.ts';
import { outcomes } from '../events/types.ts';
import type { Outcome } from '../events/types.ts';

/** `typ` of a receipt's JWS header (a private name, J-1). */
export const receiptType = 'consent-receipt+jwt';

/** states of W3C DPV that a receipt's events may have. An objection is no consent, and DPV has no state for it. */
export const receiptStates = [
  'dpv:ConsentGiven',
  'dpv:RenewedConsentGiven',
  'dpv:ConsentRefused',
  'dpv:ConsentWithdrawn',
  'dpv:ConsentRevoked',
  'dpv:ConsentExpired',
  'dpv:ConsentInvalidated',
  'entente:Objected',
] as const;
export type ReceiptState = (typeof receiptStates)[number];

/** Who is who in a receipt (ISO/IEC TS 27560 party). */
export interface ReceiptParty {
  readonly party_id: string;
  readonly party_name: string;
  readonly party_address: string;
  readonly party_contact: string;
  readonly party_type: 'pii_controller' | 'third_party';
}

/** What happened to one purpose. Times are ISO 8601 in UTC. */
export interface ReceiptEvent {
  readonly event_time: string;
  /** An end, or that there is none. */
  readonly validity_duration: string;
  /** Who brought it about: the person (by key), or the controller. */
  readonly entity_id: string;
  readonly event_type: string;
  readonly event_state: ReceiptState;
}

/** One purpose as it was put to the person. */
export interface ReceiptProcessing {
  readonly purpose: string;
  readonly purpose_type: string;
  readonly lawful_basis: string;
  readonly privacy_notice: string;
  readonly language: readonly string[];
  readonly pii_information: readonly { readonly pii_type: string; readonly pii_optional: boolean }[];
  readonly pii_controllers: readonly string[];
  readonly collection_method: string;
  readonly storage_locations: readonly string[];
  readonly retention_period: string;
  readonly jurisdiction: string;
  readonly recipient_third_parties: readonly string[];
  readonly withdrawal_method: string;
  readonly privacy_rights: readonly string[];
  readonly event: readonly ReceiptEvent[];
}

/** What one change did, as an ISO/IEC TS 27560:2023 record in the shape of W3C DPV's guide to it. */
export interface ConsentReceipt {
  readonly '@context': string;
  readonly schema_version: string;
  readonly receipt_id: string;
  readonly record_id: string;
  readonly pii_principal_id: string;
  readonly processing: readonly ReceiptProcessing[];
  readonly party_identification: readonly ReceiptParty[];
}

/** What became of a withdrawal at one recipient, as far as is known when the receipt is issued. */
export interface ReceiptOutcome {
  readonly recipient: string;
  readonly outcome: Outcome;
  /** When that outcome was recorded; absent while nothing was heard. */
  readonly at?: string;
  /** When the partner accepted, also where it has confirmed since. */
  readonly accepted_at?: string;
  readonly reason?: string;
  /** What the outcome means, in plain words. */
  readonly in_words?: PlainText;
  /** While the partner may still be at work: how long its documentation says that this takes. */
  readonly documented_delay?: PlainText;
}

export interface Termination {
  /** Nothing more is expected of any recipient. */
  readonly complete: boolean;
  readonly recipients: readonly ReceiptOutcome[];
}

/** The signed content of a receipt. */
export interface ReceiptPayload {
  readonly iss: string;
  /** Seconds since 1970, when this copy was signed. */
  readonly iat: number;
  readonly jti: string;
  readonly sub: string;
  readonly version: number;
  readonly receipt: ConsentReceipt;
  /** Where the change stands in the ledger; hashes in lower hex. */
  readonly ledger: { readonly number: number; readonly commitment: string; readonly leaf_hash: string };
  /** Of a change that took something away. */
  readonly termination?: Termination;
}

const text = { type: 'string', minLength: 1, maxLength: 2000 } as const;
const texts = { type: 'array', items: text, maxItems: 1000 } as const;
const time = { type: 'string', format: 'date-time', maxLength: 40 } as const;
const hash = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const;
const count = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER } as const;

const object = (required: Record<string, unknown>, optional: Record<string, unknown> = {}) => ({
  type: 'object',
  required: Object.keys(required),
  properties: { ...required, ...optional },
});
const list = (items: object, minItems = 0, maxItems = 1000) => ({ type: 'array', items, minItems, maxItems });

const event = object({
  event_time: time,
  validity_duration: text,
  entity_id: text,
  event_type: text,
  event_state: { enum: receiptStates },
});

const processingWith = (events: object) => ({
  purpose: text,
  purpose_type: text,
  lawful_basis: text,
  privacy_notice: text,
  language: texts,
  pii_information: list(object({ pii_type: text, pii_optional: { type: 'boolean' } })),
  pii_controllers: texts,
  collection_method: text,
  storage_locations: texts,
  retention_period: text,
  jurisdiction: text,
  recipient_third_parties: texts,
  withdrawal_method: text,
  privacy_rights: texts,
  event: events,
});

const party = object({
  party_id: text,
  party_name: text,
  party_address: text,
  party_contact: text,
  party_type: { enum: ['pii_controller', 'third_party'] },
});

const recordWith = (ownId: Record<string, unknown>, events: object) => ({
  '@context': text,
  schema_version: text,
  ...ownId,
  record_id: text,
  pii_principal_id: { type: 'string', pattern: idPattern.subjectKey },
  processing: list(object(processingWith(events)), 1),
  party_identification: list(party, 1),
});

const receipt = object(recordWith({ receipt_id: text }, list(event, 1)));

const plainText = object({ en: text, fr: text });
const outcome = object(
  { recipient: text, outcome: { enum: outcomes } },
  { at: time, accepted_at: time, reason: text, in_words: plainText, documented_delay: plainText },
);

/** JSON Schema 2020-12 of a receipt's signed content; the committed copy is `schemas/consent-receipt.v1.json`. */
export const receiptSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:entente:schema:consent-receipt.v1',
  title: 'Consent receipt, ISO/IEC TS 27560 shaped',
  ...object(
    {
      iss: text,
      iat: count,
      jti: text,
      sub: text,
      version: count,
      receipt,
      ledger: object({ number: count, commitment: hash, leaf_hash: hash }),
    },
    { termination: object({ complete: { type: 'boolean' }, recipients: list(outcome) }) },
  ),
};

/** Most changes in one person's record, the newest of them; a person who decides daily for ten years has fewer. */
export const mostChangesOfRecord = 5_000;

/** Everything a person ever decided, in the shape a receipt has for one change. */
export type ConsentRecord = Omit<ConsentReceipt, 'receipt_id'>;

/** JSON Schema 2020-12 of a person's exported record; the committed copy is `schemas/consent-record.v1.json`. */
export const recordSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:entente:schema:consent-record.v1',
  title: 'Consent record of one person, ISO/IEC TS 27560 shaped',
  ...object(recordWith({}, list(event, 1, mostChangesOfRecord))),
};
