import { recipientId, type Audience, type CatalogueDocument, type NoticeRef, type PurposeId } from '@entente/contracts';
import type { PartnerDefinition } from '../partner/definition.ts';

/** The notice everybody of the tests accepted. */
export const notice = 'privacy@1' as NoticeRef;
/** The one recipient of the runtime under test. */
export const recipient = recipientId('recipient-1');

export interface CatalogueOptions {
  readonly definition: Pick<PartnerDefinition<object>, 'kind' | 'partner' | 'identifiers'>;
  readonly purposes: readonly PurposeId[];
  readonly fields: readonly string[];
  readonly preloaded?: boolean;
}

/** One recipient, named by the notice for every purpose. */
export function catalogueFor({ definition, purposes, fields, preloaded = false }: CatalogueOptions): CatalogueDocument {
  const text = { en: 'text', fr: 'texte' };
  return {
    number: 1,
    purposes: purposes.map((purpose) => ({
      id: purpose,
      title: text,
      description: text,
      legalBasis: 'consent',
      dataCategories: [],
      party: 'first',
      fields,
      active: true,
    })),
    notices: [
      {
        id: 'privacy',
        version: 1,
        text,
        contentHash: '0'.repeat(64),
        purposes: Object.fromEntries(purposes.map((purpose) => [purpose, [recipient]])),
      },
    ],
    recipients: [
      {
        id: recipient,
        name: 'Recipient',
        kind: definition.kind,
        partner: definition.partner,
        audience: definition.kind as string as Audience,
        purposes,
        identifiers: definition.identifiers,
        preloaded,
        active: true,
      },
    ],
  };
}
