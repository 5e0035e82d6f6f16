/** What a controller says of itself in receipts; the consent service knows none of it otherwise. */
export interface ReceiptProfile {
  readonly name: string;
  readonly address: string;
  readonly contact: string;
  readonly jurisdiction: string;
  readonly storageLocations: readonly string[];
  readonly retentionPeriod: string;
  readonly withdrawalMethod: string;
  readonly privacyRights: readonly string[];
}

const unstated = 'not stated';

const unstatedProfile: ReceiptProfile = {
  name: unstated,
  address: unstated,
  contact: unstated,
  jurisdiction: unstated,
  storageLocations: [unstated],
  retentionPeriod: unstated,
  withdrawalMethod: unstated,
  privacyRights: [unstated],
};

/** By controller. What a profile leaves out is stated nowhere, and the receipt says so. */
export type ReceiptProfiles = (controller: string) => ReceiptProfile;

/** @throws Error that names the controller and the member that is not as it should be */
export function parseReceiptProfiles(value: Readonly<Record<string, unknown>>): ReceiptProfiles {
  const profiles = new Map(
    Object.entries(value).map(([controller, profile]) => [controller, profileOf(controller, profile)]),
  );
  return (controller) => profiles.get(controller) ?? { ...unstatedProfile, name: controller };
}

function profileOf(controller: string, given: unknown): ReceiptProfile {
  if (typeof given !== 'object' || given === null) throw new Error(`${controller} is not an object`);
  for (const [member, value] of Object.entries(given)) {
    const example: unknown = Object.hasOwn(unstatedProfile, member)
      ? unstatedProfile[member as keyof ReceiptProfile]
      : null;
    if (example === null) throw new Error(`${controller}: there is no member ${member}`);
    if (Array.isArray(example) ? !isTexts(value) : !isText(value))
      throw new Error(`${controller}: ${member} is not ${Array.isArray(example) ? 'a list of texts' : 'a text'}`);
  }
  return { ...unstatedProfile, name: controller, ...given };
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.length > 0 && value.length <= 2_000;

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(isText);
