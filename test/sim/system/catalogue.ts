import {
  controllerId,
  noticeRef,
  purposeId,
  recipientId,
  subjectKey,
  type CatalogueDocument,
  type PurposeId,
  type RecipientId,
  type SubjectKey,
} from '@entente/contracts';

export const acme = controllerId('acme');
export const [email, profile, ads] = ['email', 'profile', 'ads'].map(purposeId) as [PurposeId, PurposeId, PurposeId];
export const purposes: readonly PurposeId[] = [email, profile, ads];
export const notice = noticeRef('welcome', 1);

/** One connector process each, with one recipient. */
export const connectors = {
  crm: { recipient: recipientId('hubspot-crm'), purposes: [email, profile], preloaded: false },
  analytics: { recipient: recipientId('segment'), purposes: [profile], preloaded: true },
  ads: { recipient: recipientId('meta-ads'), purposes: [ads], preloaded: false },
} as const;
export type ConnectorName = keyof typeof connectors;
export const connectorNames = Object.keys(connectors) as ConnectorName[];

export const recipientsOf = (purpose: PurposeId): RecipientId[] =>
  Object.values(connectors)
    .filter((connector) => connector.purposes.some((each) => each === purpose))
    .map(({ recipient }) => recipient);

/** A person's key by a small number. */
export const person = (number: number): SubjectKey => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(number, 12);
  return subjectKey(`k1.${bytes.toString('base64url')}`);
};

const text = { en: 'text', fr: 'texte' };

export const catalogue: CatalogueDocument = {
  number: 1,
  purposes: purposes.map((id) => ({
    id,
    title: text,
    description: text,
    legalBasis: 'consent',
    dataCategories: ['contact'],
    party: 'first',
    fields: ['note'],
    active: true,
  })),
  notices: [
    {
      id: 'welcome',
      version: 1,
      text,
      contentHash: '0'.repeat(64),
      purposes: Object.fromEntries(purposes.map((purpose) => [purpose, recipientsOf(purpose)])),
    },
  ],
  recipients: connectorNames.map((name) => {
    const { recipient, purposes: served, preloaded } = connectors[name];
    const kind = name === 'ads' ? 'ad-partner' : name;
    const parts = { id: recipient, name, kind, partner: 'sim', audience: kind, purposes: served };
    return { ...parts, identifiers: ['email'], preloaded, active: true };
  }) as unknown as CatalogueDocument['recipients'],
};
