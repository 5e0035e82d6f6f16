import type { CatalogueDocument } from '@entente/contracts';
import type { MorePartner } from './more-partner.ts';

/**
 * A yes lasts 13 months (395 days), the longest the EDPB's and TCF's practice knows; after a no a person is left alone for
 * half a year, and for a year after an opt-out of sale or sharing (Cal. Civ. Code 1798.135(c)(4)).
 */
const asked = { validityDays: 395, reaskAfterDays: 180 } as const;

/**
 * A catalogue a brand could start from: four purposes in plain words, one notice that names who would receive what, and
 * one recipient of each kind. The demo's contract servers know the same properties, subscriptions and audiences.
 */
export const starterNotice = { id: 'privacy-choices', version: 1 } as const;

export const starterCatalogue = {
  purposes: [
    {
      id: 'email-marketing',
      title: { en: 'E-mails about our products', fr: 'E-mails sur nos produits' },
      description: {
        en: 'We send you news and offers by e-mail, with the help of our customer software.',
        fr: 'Nous vous envoyons des nouvelles et des offres par e-mail, avec l’aide de notre logiciel client.',
      },
      legalBasis: 'consent',
      dataCategories: ['contact', 'profile'],
      party: 'first',
      fields: ['firstname', 'lastname', 'plan', 'city'],
      active: true,
      ...asked,
      mapping: { fides: ['marketing.communications.email'] },
    },
    {
      id: 'product-analytics',
      title: { en: 'Measuring how our site is used', fr: 'Mesurer l’usage de notre site' },
      description: {
        en: 'We count visits and clicks to make the site better.',
        fr: 'Nous comptons les visites et les clics pour améliorer le site.',
      },
      legalBasis: 'consent',
      dataCategories: ['usage'],
      party: 'first',
      fields: ['event', 'page', 'plan'],
      active: true,
      ...asked,
      mapping: { tcf: { purposes: [8, 9, 10] }, consentMode: ['analytics_storage'], fides: ['analytics.reporting'] },
    },
    {
      id: 'personalised-ads',
      title: { en: 'Ads chosen for you', fr: 'Des publicités choisies pour vous' },
      description: {
        en: 'We tell an advertising company that you are one of our customers, so that it shows you our ads.',
        fr: 'Nous indiquons à une régie que vous êtes client, pour qu’elle vous montre nos publicités.',
      },
      legalBasis: 'consent',
      dataCategories: ['contact'],
      party: 'third',
      fields: ['segment'],
      active: true,
      ...{ ...asked, reaskAfterDays: 365 },
      mapping: {
        tcf: { purposes: [1, 3, 4] },
        gpp: ['SaleOptOut', 'SharingOptOut', 'TargetedAdvertisingOptOut'],
        consentMode: ['ad_storage', 'ad_user_data', 'ad_personalization'],
        fides: ['marketing.advertising.third_party.targeted', 'third_party_sharing'],
        att: true,
      },
    },
    {
      id: 'personalisation',
      title: { en: 'A site that remembers what you like', fr: 'Un site qui retient ce que vous aimez' },
      description: {
        en: 'We keep what interests you, to show it first.',
        fr: 'Nous retenons ce qui vous intéresse pour vous le montrer d’abord.',
      },
      legalBasis: 'consent',
      dataCategories: ['usage', 'profile'],
      party: 'first',
      fields: ['event', 'page', 'plan', 'lifecyclestage'],
      active: true,
      ...asked,
      mapping: {
        tcf: { purposes: [5, 6, 11] },
        consentMode: ['personalization_storage', 'functionality_storage'],
        fides: ['personalize.content'],
      },
    },
  ],
  notices: [
    {
      ...starterNotice,
      text: {
        en: 'Choose what we may do with your data. You can change your mind here at any time, as easily as you chose.',
        fr: 'Choisissez ce que nous pouvons faire de vos données. Vous pouvez changer d’avis ici à tout moment, aussi simplement.',
      },
      purposes: {
        'email-marketing': ['hubspot-crm'],
        'product-analytics': ['segment-analytics'],
        'personalised-ads': ['meta-ads'],
        personalisation: ['hubspot-crm', 'segment-analytics'],
      },
    },
  ],
  recipients: [
    {
      id: 'hubspot-crm',
      name: 'HubSpot',
      kind: 'crm',
      partner: 'hubspot',
      audience: 'crm',
      purposes: ['email-marketing', 'personalisation'],
      identifiers: ['email'],
      preloaded: false,
      active: true,
    },
    {
      id: 'segment-analytics',
      name: 'Segment',
      kind: 'analytics',
      partner: 'segment',
      audience: 'analytics',
      purposes: ['product-analytics', 'personalisation'],
      identifiers: ['subject-id'],
      preloaded: false,
      active: true,
    },
    {
      id: 'meta-ads',
      name: 'Meta Custom Audiences',
      kind: 'ad-partner',
      partner: 'meta-custom-audiences',
      audience: 'ad-partner',
      purposes: ['personalised-ads'],
      identifiers: ['meta-email', 'meta-phone'],
      preloaded: false,
      active: true,
    },
  ],
} as const;

/** Catches at compile time what the catalogue API would refuse by shape. */
type Plain<T> = { readonly [K in keyof T]: unknown };
starterCatalogue satisfies Plain<Omit<CatalogueDocument, 'number'>>;

/** The starter catalogue, whose notice names these recipients too and whose purposes carry what is shared with them. */
export function withMorePartners(more: readonly MorePartner[]): object {
  if (more.length === 0) return starterCatalogue;
  const { purposes, notices, recipients } = starterCatalogue;
  const of = (purpose: string): readonly MorePartner[] => more.filter((each) => each.purpose === purpose);
  return {
    purposes: purposes.map((purpose) => ({
      ...purpose,
      fields: [...new Set([...purpose.fields, ...of(purpose.id).flatMap(({ fields }) => Object.keys(fields ?? {}))])],
    })),
    notices: notices.map((notice) => ({
      ...notice,
      purposes: Object.fromEntries(
        Object.entries(notice.purposes).map(([purpose, named]) => [
          purpose,
          [...named, ...of(purpose).map(({ recipient }) => recipient)],
        ]),
      ),
    })),
    recipients: [
      ...recipients,
      ...more.map(({ recipient: id, name, kind, partner, purpose, identifiers, preloaded = false }) => ({
        ...{ id, name, kind, partner, audience: kind, purposes: [purpose], identifiers, preloaded, active: true },
      })),
    ],
  };
}
