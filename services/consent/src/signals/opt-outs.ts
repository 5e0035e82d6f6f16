import type { Catalogue, Purpose } from '@entente/contracts';

/** The opt-outs that Global Privacy Control exercises (standards.md P-4), as GPP's US sections call them. */
const universalOptOuts: readonly string[] = ['SaleOptOut', 'SharingOptOut', 'TargetedAdvertisingOptOut'];

/**
 * The GPP fields that concern a purpose. A purpose that an ad partner serves and that nobody has mapped counts as sold and
 * shared: an opt-out must not miss it.
 */
export function optOutFields({ id, mapping }: Purpose, { recipients }: Catalogue): readonly string[] {
  if (mapping !== undefined) return mapping.gpp ?? [];
  return isServedByAds(id, recipients) ? universalOptOuts : [];
}

/** Purposes that an opt-out of sale, sharing and targeted advertising takes away. */
export const soldPurposes = (catalogue: Catalogue): Purpose[] =>
  [...catalogue.purposes.values()].filter((purpose) =>
    optOutFields(purpose, catalogue).some((field) => universalOptOuts.includes(field)),
  );

/** Purposes for which Apple wants the device's permission. */
export const trackingPurposes = (catalogue: Catalogue): Purpose[] =>
  [...catalogue.purposes.values()].filter(({ id, mapping }) =>
    mapping === undefined ? isServedByAds(id, catalogue.recipients) : mapping.att === true,
  );

const isServedByAds = (id: Purpose['id'], recipients: Catalogue['recipients']): boolean =>
  [...recipients.values()].some(({ kind, purposes }) => kind === 'ad-partner' && purposes.includes(id));
