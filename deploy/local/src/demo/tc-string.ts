import { GVL, Segment, TCModel, TCString } from '@iabtcf/core';

/** IAB's number for a CMP in its own examples. A brand's strings carry its CMP's number; nobody else may make one (T-2). */
const cmpId = 880;
const purposes = Array.from({ length: 11 }, (_, index) => index + 1);

/** A vendor list as a CMP holds it, with no more in it than encoding needs. */
const vendorList = () =>
  new GVL({
    ...{ gvlSpecificationVersion: 3, vendorListVersion: 48, tcfPolicyVersion: 5, lastUpdated: '2026-11-19T16:00:00Z' },
    purposes: Object.fromEntries(
      purposes.map((id) => [id, { id, name: `Purpose ${id}`, description: '', descriptionLegal: '' }]),
    ),
    ...{ specialPurposes: {}, features: {}, specialFeatures: {}, stacks: {}, dataCategories: {}, vendors: {} },
  });

/**
 * What a consent banner leaves behind when a person has accepted these purposes of TCF: a TC string of TCF 2.3, of today, with
 * the vendors disclosed (T-1).
 */
function bannerString(accepted: readonly number[]): string {
  const model = new TCModel(vendorList());
  Object.assign(model, {
    ...{ cmpId, cmpVersion: 1, consentScreen: 1, consentLanguage: 'FR', publisherCountryCode: 'FR' },
    ...{ isServiceSpecific: true, policyVersion: 5 },
  });
  model.purposeConsents.set([...accepted]);
  model.vendorsDisclosed.set([1, 2]);
  // Its default leaves the disclosed vendors out, which makes a string of TCF 2.3 invalid.
  return TCString.encode(model, { segments: [Segment.CORE, Segment.VENDORS_DISCLOSED] });
}

/** Every purpose accepted, as "Accept all" does, and none. */
export const acceptedAll = (): string => bannerString(purposes);
export const takenBack = (): string => bannerString([]);
