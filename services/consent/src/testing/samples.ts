import { catalogueOf, purposeId, recipientId, subjectId, subjectKey } from '@entente/contracts';
import type { Catalogue, CatalogueDocument, ControllerId, NoticeRef, PurposeId } from '@entente/contracts';
import type { Command, Grant, GrantItem } from '../ledger/command.ts';

export const acme = 'acme' as ControllerId;
export const [email, ads, old] = ['email', 'ads', 'old'].map(purposeId) as [PurposeId, PurposeId, PurposeId];
const notice = 'privacy@1' as NoticeRef;
export const refusedRecipient = recipientId('meta-ads');
export const now = '2027-01-01T00:00:00.000000Z';
export const text = { en: 'x', fr: 'x' };

/** Purposes email and ads are active, old is not; the notice names all three, and `newsletter@1` only email. */
export const catalogue: Catalogue = catalogueOf({
  number: 7,
  purposes: [email, ads, old].map((id) => ({
    id,
    title: text,
    description: text,
    legalBasis: 'consent',
    dataCategories: [],
    party: 'first',
    fields: [],
    active: id !== old,
  })),
  notices: [
    { id: 'privacy', version: 1, text, contentHash: '0'.repeat(64), purposes: { email: [], ads: [], old: [] } },
    { id: 'newsletter', version: 1, text, contentHash: '0'.repeat(64), purposes: { email: [] } },
  ],
  recipients: [
    { id: refusedRecipient, name: 'Meta', kind: 'ad-partner', purposes: [ads], identifiers: [], active: true },
  ],
} as unknown as CatalogueDocument);

const key = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');

export const command = (parts: Partial<Command>): Command => ({
  controller: acme,
  subjectId: subjectId('anna'),
  candidates: [key],
  actor: { client: 'test', route: 'POST /v1/consents' },
  ...parts,
});

export const withdraw = (...purposes: PurposeId[]): Command =>
  command({ deny: { purposes: purposes.length === 0 ? 'all' : purposes, to: 'withdrawn' } });

export const item = (purpose: PurposeId, more: Partial<GrantItem> = {}): GrantItem => ({ index: 0, purpose, ...more });

/** A grant that nothing stops, for these purposes. */
export const grantOf = (items: readonly GrantItem[], more: Partial<Grant> = {}): Grant => ({
  items: items.map((one, index) => ({ ...one, index })),
  notice,
  key: { kind: 'given', key: 'k', fingerprint: 'f' },
  mayGrant: true,
  ...more,
});
