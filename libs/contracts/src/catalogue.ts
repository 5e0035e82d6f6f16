import type { Audience, ControllerId, NoticeRef, PurposeId, RecipientId } from './ids.ts';
import { noticeRef } from './ids.ts';

/** A text in the two languages every purpose must be readable in. */
export interface PlainText {
  readonly en: string;
  readonly fr: string;
}

export const legalBases = ['consent', 'legitimate-interest'] as const;
export type LegalBasis = (typeof legalBases)[number];
/** Whose data it is: ours, a partner's who gave it to us, or bought. */
export const parties = ['first', 'second', 'third'] as const;
export type Party = (typeof parties)[number];

export const consentModeKeys = [
  'ad_storage',
  'ad_user_data',
  'ad_personalization',
  'analytics_storage',
  'functionality_storage',
  'personalization_storage',
  'security_storage',
] as const;
/** Google Consent Mode v2 (standards.md A-2). */
export type ConsentModeKey = (typeof consentModeKeys)[number];

/** What a purpose is called elsewhere: how signals are read and views are made. A purpose without one is denied there (U-3). */
export interface PurposeMapping {
  /** IAB TCF: the purpose stands only on all of these together (numbers of the Global Vendor List). */
  readonly tcf?: { readonly purposes: readonly number[]; readonly specialFeatures?: readonly number[] };
  /** Fields of IAB GPP's US sections: `SaleOptOut`, `SharingOptOut`, `TargetedAdvertisingOptOut`, … */
  readonly gpp?: readonly string[];
  readonly consentMode?: readonly ConsentModeKey[];
  /** Data uses of Fideslang, dotted: `marketing.communications.email`. */
  readonly fides?: readonly string[];
  /** Tracking as Apple understands it: needs the device's permission too (ATT). */
  readonly att?: boolean;
}

export interface Purpose {
  readonly id: PurposeId;
  readonly title: PlainText;
  readonly description: PlainText;
  readonly legalBasis: LegalBasis;
  readonly dataCategories: readonly string[];
  readonly party: Party;
  /** Fields that may leave for this purpose; everything else is stripped and counted. */
  readonly fields: readonly string[];
  readonly active: boolean;
  /** Who gave us the data: a recipient that serves this purpose, so that a withdrawal is sent to them too. */
  readonly supplier?: RecipientId;
  /** Whole years a person must have reached to grant this themselves. */
  readonly minAge?: number;
  /** Special categories of data: nothing but a statement about this very purpose grants it (GDPR 9(2)(a)). */
  readonly explicit?: boolean;
  /** Days after which a grant ends when it names no earlier end. */
  readonly validityDays?: number;
  /** Days during which a person who said no is not asked again. */
  readonly reaskAfterDays?: number;
  /** A purpose is never renamed: the new one stands beside it. */
  readonly replacedBy?: PurposeId;
  readonly mapping?: PurposeMapping;
}

/** An immutable version of what people were shown: which purposes, and for each who would receive the data. */
export interface Notice {
  readonly id: string;
  readonly version: number;
  readonly text: PlainText;
  /** Where and in which languages this version was shown, BCP 47: `fr-FR`, `en-GB`. */
  readonly locales?: readonly string[];
  /**
   * True: whoever accepted an older version is denied for the purposes this one names until they accept it. Otherwise what
   * they accepted keeps its worth, for the recipients it named.
   */
  readonly material?: boolean;
  /** SHA-256 of the text and the purposes, lower hex. */
  readonly contentHash: string;
  readonly purposes: Readonly<Record<PurposeId, readonly RecipientId[]>>;
}

export const recipientKinds = ['crm', 'analytics', 'ad-partner'] as const;
export type RecipientKind = (typeof recipientKinds)[number];

/** Kinds of identifier a recipient may be given. Those that begin with a partner's name are SHA-256 hashes made for it alone. */
export const identifierKinds = [
  'email',
  'phone',
  'subject-id',
  'meta-email',
  'meta-phone',
  'google-email',
  'google-phone',
  'x-email',
  'linkedin-email',
  'tiktok-email',
  'tiktok-email-stripped',
  'tiktok-phone',
  'tiktok-phone-digits',
  'iab-email',
] as const;
export type IdentifierKind = (typeof identifierKinds)[number];
export type Identifiers = Readonly<Partial<Record<IdentifierKind, string>>>;

export interface Recipient {
  readonly id: RecipientId;
  readonly name: string;
  readonly kind: RecipientKind;
  /** Which connector implementation serves it: `hubspot`, `segment`, `meta-custom-audiences`, … */
  readonly partner: string;
  readonly audience: Audience;
  readonly purposes: readonly PurposeId[];
  readonly identifiers: readonly IdentifierKind[];
  /** The partner may hold people we never recorded an exposure for: a withdrawal is sent for everyone (DLV-6). */
  readonly preloaded: boolean;
  readonly active: boolean;
  /** Its number on IAB's Global Vendor List: a TC string decides about it by name. */
  readonly tcfVendor?: number;
}

/** What one catalogue transaction changed: items replace those of the same id (notices: id and version). */
export interface CatalogueChange {
  readonly controller: ControllerId;
  /** Gapless over all controllers (REC-9). */
  readonly number: number;
  readonly purposes: readonly Purpose[];
  readonly notices: readonly Notice[];
  readonly recipients: readonly Recipient[];
}

/** One controller's catalogue as of `number`. */
export interface Catalogue {
  readonly number: number;
  readonly purposes: ReadonlyMap<PurposeId, Purpose>;
  readonly notices: ReadonlyMap<NoticeRef, Notice>;
  readonly recipients: ReadonlyMap<RecipientId, Recipient>;
}

export const emptyCatalogue: Catalogue = { number: 0, purposes: new Map(), notices: new Map(), recipients: new Map() };

/**
 * REC-9: record n applies on n − 1 only. Returns null on a hole (the holder must ask the consent service) and the
 * same catalogue when the record is already contained.
 */
export function applyCatalogueChange(
  held: Catalogue,
  change: CatalogueChange,
  controller: ControllerId,
): Catalogue | null {
  if (change.number <= held.number) return held;
  if (change.number !== held.number + 1) return null;
  if (change.controller !== controller) return { ...held, number: change.number };
  return {
    number: change.number,
    purposes: new Map([...held.purposes, ...change.purposes.map((p) => [p.id, p] as const)]),
    notices: new Map([...held.notices, ...change.notices.map((n) => [noticeRef(n.id, n.version), n] as const)]),
    recipients: new Map([...held.recipients, ...change.recipients.map((r) => [r.id, r] as const)]),
  };
}

/** The wire form: what the consent service's snapshot carries and what a catalogue is built from. */
export interface CatalogueDocument {
  readonly number: number;
  readonly purposes: readonly Purpose[];
  readonly notices: readonly Notice[];
  readonly recipients: readonly Recipient[];
}

export const catalogueOf = (document: CatalogueDocument): Catalogue => ({
  number: document.number,
  purposes: new Map(document.purposes.map((p) => [p.id, p])),
  notices: new Map(document.notices.map((n) => [noticeRef(n.id, n.version), n])),
  recipients: new Map(document.recipients.map((r) => [r.id, r])),
});

export const documentOf = (catalogue: Catalogue): CatalogueDocument => ({
  number: catalogue.number,
  purposes: [...catalogue.purposes.values()],
  notices: [...catalogue.notices.values()],
  recipients: [...catalogue.recipients.values()],
});
