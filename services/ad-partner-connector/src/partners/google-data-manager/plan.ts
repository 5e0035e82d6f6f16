import type { Identifiers } from '@entente/contracts';

/** One audience member: the hashes of one recorded set, SHA-256 in lower hex exactly as recorded. */
export interface Member {
  readonly emailAddress?: string;
  readonly phoneNumber?: string;
}

/** Members per request (partner-apis.md §3). */
export const memberLimit = 10_000;

export function memberOf(identifiers: Identifiers): Member {
  const { 'google-email': emailAddress, 'google-phone': phoneNumber } = identifiers;
  return { ...(emailAddress ? { emailAddress } : {}), ...(phoneNumber ? { phoneNumber } : {}) };
}

const key = ({ emailAddress = '', phoneNumber = '' }: Member): string => `${emailAddress} ${phoneNumber}`;

/** Each recorded set of hashes once; sets without any of Google's hashes are none. */
export function membersOf(identifiers: readonly Identifiers[]): Member[] {
  const members = new Map<string, Member>();
  for (const set of identifiers) {
    const member = memberOf(set);
    if (member.emailAddress !== undefined || member.phoneNumber !== undefined) members.set(key(member), member);
  }
  return [...members.values()];
}
