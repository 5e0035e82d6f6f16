import { filled, isRecord, list, record } from '../narrow.ts';
import type { PartnerRequest } from '../partner.ts';
import type { FieldViolation } from './answers.ts';

/** Per request (partner-apis.md §3, G1). */
const memberLimit = 10_000;
const identifierLimit = 10;
const destinationLimit = 10;

/** The other kinds a member may be of; a request holds one kind only. */
const memberKinds = ['userData', 'mobileData', 'userIdData', 'pairData', 'ppidData'];
const accountTypes = new Set([
  'GOOGLE_ADS',
  'DISPLAY_VIDEO_PARTNER',
  'DISPLAY_VIDEO_ADVERTISER',
  'DATA_PARTNER',
  'GOOGLE_ANALYTICS_PROPERTY',
]);
const consentValues = new Set(['CONSENT_GRANTED', 'CONSENT_DENIED', 'CONSENT_STATUS_UNSPECIFIED']);

/** The identifiers of each member exactly as received; a member without any is an empty list. */
export const membersIn = (request: PartnerRequest): readonly (readonly string[])[] =>
  list(record(request.body)['audienceMembers']).map((member) =>
    list(record(record(member)['userData'])['userIdentifiers']).flatMap((given) => {
      const { emailAddress, phoneNumber } = record(given);
      return [emailAddress, phoneNumber].flatMap((value) => filled(value) ?? []);
    }),
  );

/** The user lists a request names. */
export const listsIn = (request: PartnerRequest): readonly string[] =>
  list(record(request.body)['destinations']).flatMap(
    (destination) => filled(record(destination)['productDestinationId']) ?? [],
  );

const violation = (field: string, reason: string, description: string): FieldViolation => ({
  field,
  reason,
  description,
});

/** What the fast-fail check finds in a readable request; the first member's faults first, nothing when all is well. */
export function violationsIn(
  request: PartnerRequest,
  account: string,
  known: (list: string) => boolean,
): FieldViolation[] {
  const body = record(request.body);
  const encoding = body['encoding'];
  const found = [...destinationFaults(list(body['destinations']), account, known)];
  const members = list(body['audienceMembers']);
  if (members.length === 0)
    found.push(violation('audience_members', 'REQUIRED_FIELD_MISSING', 'A member is required.'));
  if (members.length > memberLimit)
    found.push(violation('audience_members', 'TOO_MANY_AUDIENCE_MEMBERS', `At most ${memberLimit} members.`));
  if (encoding !== 'HEX' && encoding !== 'BASE64')
    found.push(violation('encoding', 'REQUIRED_FIELD_MISSING', 'The encoding of hashes is required.'));
  const kinds = new Set(members.flatMap((member) => memberKinds.filter((kind) => kind in record(member))));
  if (kinds.size > 1)
    found.push(violation('audience_members', 'MULTIPLE_DATA_TYPES_NOT_ALLOWED', 'One kind of member per request.'));
  members.forEach((member, index) =>
    found.push(...memberFaults(member, index, encoding === 'BASE64', request.badRows)),
  );
  return found;
}

function destinationFaults(
  destinations: readonly unknown[],
  account: string,
  known: (list: string) => boolean,
): FieldViolation[] {
  if (destinations.length === 0 || destinations.length > destinationLimit)
    return [violation('destinations', 'REQUIRED_FIELD_MISSING', `1 to ${destinationLimit} destinations.`)];
  return destinations.flatMap((given, index) => {
    const at = `destinations[${index}]`;
    const { operatingAccount, loginAccount, productDestinationId } = record(given);
    const { accountType, accountId } = record(operatingAccount);
    const wrongType = [operatingAccount, ...(loginAccount === undefined ? [] : [loginAccount])].some(
      (each) => !accountTypes.has(String(record(each)['accountType'])),
    );
    if (wrongType || accountType === undefined)
      return [violation(`${at}.operating_account.account_type`, 'INVALID_ACCOUNT_TYPE', 'Unknown account type.')];
    if (accountId !== account)
      return [violation(`${at}.operating_account.account_id`, 'DESTINATION_ACCOUNT_NOT_FOUND', 'Unknown account.')];
    if (typeof productDestinationId !== 'string' || !known(productDestinationId))
      return [violation(`${at}.product_destination_id`, 'INVALID_USER_LIST_ID', 'No such user list.')];
    return [];
  });
}

function memberFaults(member: unknown, index: number, base64: boolean, badRows: number): FieldViolation[] {
  const at = `audience_members[${index}]`;
  const userData = record(member)['userData'];
  if (!isRecord(userData)) return [violation(at, 'REQUIRED_FIELD_MISSING', 'user_data is required.')];
  const identifiers = list(userData['userIdentifiers']);
  const path = `${at}.user_data.user_identifiers`;
  if (identifiers.length === 0) return [violation(path, 'REQUIRED_FIELD_MISSING', 'At least one user identifier.')];
  if (identifiers.length > identifierLimit)
    return [violation(path, 'TOO_MANY_USER_IDENTIFIERS', `At most ${identifierLimit} identifiers.`)];
  if (index < badRows) return [violation(`${path}[0].email_address`, 'INVALID_SHA256_FORMAT', 'Not a SHA-256 hash.')];
  return identifiers.flatMap((identifier, each) => {
    const fault = identifierFault(record(identifier), base64);
    return fault === undefined ? [] : [violation(`${path}[${each}]`, ...fault)];
  });
}

/** One of emailAddress, phoneNumber, address; the first two are SHA-256, never plain. */
function identifierFault(
  identifier: Record<string, unknown>,
  base64: boolean,
): readonly [reason: string, description: string] | undefined {
  const kinds = Object.keys(identifier);
  if (kinds.length !== 1 || !['emailAddress', 'phoneNumber', 'address'].includes(kinds[0] ?? ''))
    return ['REQUIRED_FIELD_MISSING', 'Exactly one kind of identifier.'];
  if ('address' in identifier) return undefined;
  const value = identifier['emailAddress'] ?? identifier['phoneNumber'];
  if (typeof value !== 'string') return ['INVALID_SHA256_FORMAT', 'Must be a string.'];
  if (base64)
    return Buffer.from(value, 'base64').length === 32
      ? undefined
      : ['INVALID_BASE64_ENCODING', 'Not Base64 of SHA-256.'];
  if (!/^[0-9a-fA-F]+$/.test(value)) return ['INVALID_HEX_ENCODING', 'Not hexadecimal.'];
  return value.length === 64 ? undefined : ['INVALID_SHA256_FORMAT', 'Not a SHA-256 hash.'];
}

/** Consent and terms, which only an ingest carries (partner-apis.md §3, G1, G8). */
export function ingestFaults(request: PartnerRequest): FieldViolation[] {
  const { consent, termsOfService } = record(request.body);
  const values = Object.values(record(consent));
  const unknown = values.some((value) => !consentValues.has(String(value)));
  const terms = record(termsOfService)['customerMatchTermsOfServiceStatus'];
  return [
    ...(unknown ? [violation('consent', 'INVALID_ENUM_VALUE', 'Unknown consent status.')] : []),
    ...(terms === 'ACCEPTED'
      ? []
      : [violation('terms_of_service', 'TERMS_AND_CONDITIONS_NOT_SIGNED', 'Customer Match terms not accepted.')]),
  ];
}

/** What this ingest says of both signals; unset counts as unspecified. */
export function consentIn(request: PartnerRequest): {
  readonly adUserData: string;
  readonly adPersonalization: string;
} {
  const { adUserData, adPersonalization } = record(record(request.body)['consent']);
  const unspecified = 'CONSENT_STATUS_UNSPECIFIED';
  return { adUserData: filled(adUserData) ?? unspecified, adPersonalization: filled(adPersonalization) ?? unspecified };
}
