import {
  controllerId,
  gateStartId,
  noticeRef,
  purposeId,
  recipientId,
  subjectKey,
  type CatalogueDocument,
  type ConsentChanged,
  type ConsentVector,
  type Decision,
  type SubjectKey,
  type Watermark,
} from '@entente/contracts';

export const acme = controllerId('acme');
export const email = purposeId('email-marketing');
export const ads = purposeId('ads');
export const crm = recipientId('hubspot-crm');
export const meta = recipientId('meta-ads');
export const ourStart = gateStartId('00000000a11c');
const accepted = noticeRef('welcome', 1);
const since = '2026-11-01T10:00:00.000Z';
const zeros = '0'.repeat(64);

/** A subject's key by a small number. */
export const subject = (number: number): SubjectKey => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(number, 12);
  return subjectKey(`k1.${bytes.toString('base64url')}`);
};

const text = { en: 'text', fr: 'texte' };

export const catalogueDocument = (number = 1): CatalogueDocument => ({
  number,
  purposes: [email, ads].map((id) => ({
    id,
    title: text,
    description: text,
    legalBasis: 'consent',
    dataCategories: ['contact'],
    party: 'first',
    fields: ['name'],
    active: true,
  })),
  notices: [{ id: 'welcome', version: 1, text, contentHash: zeros, purposes: { [email]: [crm], [ads]: [meta] } }],
  recipients: [
    {
      id: crm,
      name: 'HubSpot',
      kind: 'crm',
      partner: 'hubspot',
      audience: 'crm',
      purposes: [email],
      identifiers: ['email'],
      preloaded: false,
      active: true,
    },
    {
      id: meta,
      name: 'Meta',
      kind: 'ad-partner',
      partner: 'meta',
      audience: 'ad',
      purposes: [ads],
      identifiers: ['meta-email'],
      preloaded: false,
      active: true,
    },
  ] as unknown as CatalogueDocument['recipients'],
});

export const vector = (decision: Decision, extra: object = {}): ConsentVector => ({
  [email]: { decision, notice: accepted, since, ...extra },
  [ads]: { decision, notice: accepted, since },
});

export const change = (
  key: SubjectKey,
  version: number,
  decision: Decision,
  extra: Partial<ConsentChanged> = {},
): ConsentChanged => ({
  controller: acme,
  subjectKey: key,
  version,
  catalogue: 1,
  direction: decision === 'granted' ? 'grant' : 'deny',
  vector: vector(decision),
  changes: [{ purpose: email, from: null, to: decision, cause: 'person' }],
  recipients: [crm, meta],
  committedAt: '2026-11-01T10:00:00.000000Z',
  sealed: {},
  ...extra,
});

export const watermark = (number: number, extra: Partial<Watermark> = {}): Watermark => ({
  incarnation: 0,
  number,
  logEpoch: 1,
  highestAcked: '-1',
  passTime: '2026-11-01T10:00:00.000Z',
  catalogue: 1,
  ledger: { number: 10, hash: zeros },
  beats: [],
  ...extra,
});
