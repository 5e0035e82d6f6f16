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
}

/** An immutable version of what people were shown: which purposes, and for each who would receive the data. */
export interface Notice {
  readonly id: string;
  readonly version: number;
  readonly text: PlainText;
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
