import type { Identifiers, PurposeId } from '@entente/contracts';
import type { Revocation } from '@entente/connector-runtime';

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

/** A person to remove from one user list, with every set of hashes it may be there under. */
export interface Leaving {
  readonly revocation: Revocation;
  readonly members: readonly Member[];
}

/** Persons to remove from one user list in one request. */
export interface Removal {
  readonly list: string;
  readonly persons: readonly Leaving[];
}

export interface RemovalPlan {
  readonly removals: readonly Removal[];
  /** Their withdrawn purpose has no user list in the settings. */
  readonly unmapped: ReadonlySet<Revocation>;
  /** Without a single hash of this partner's: they must never pass for removed because others were. */
  readonly lacking: ReadonlySet<Revocation>;
}

/** Per user list whose purpose fell away, the persons to remove, at most `memberLimit` members in each removal. */
export function planRemovals(batch: readonly Revocation[], audiences: Readonly<Record<string, string>>): RemovalPlan {
  const byList = new Map<string, Leaving[]>();
  const unmapped = new Set<Revocation>();
  const lacking = new Set<Revocation>();
  for (const revocation of batch) {
    const members = membersOf(revocation.identifiers);
    if (members.length === 0) lacking.add(revocation);
    for (const purpose of revocation.recipientPurposes) {
      if (revocation.allowed.includes(purpose)) continue;
      const list = userListOf(purpose, audiences);
      if (list === null) unmapped.add(revocation);
      else if (members.length > 0) byList.set(list, [...(byList.get(list) ?? []), { revocation, members }]);
    }
  }
  return { removals: [...byList].flatMap(([list, persons]) => inRequests(list, persons)), unmapped, lacking };
}

export const userListOf = (purpose: PurposeId, audiences: Readonly<Record<string, string>>): string | null =>
  (Object.hasOwn(audiences, purpose) ? audiences[purpose] : undefined) ?? null;

function inRequests(list: string, persons: readonly Leaving[]): Removal[] {
  const requests: Leaving[][] = [];
  let membersInRequest = Infinity;
  for (const person of persons) {
    if (membersInRequest + person.members.length > memberLimit) {
      requests.push([]);
      membersInRequest = 0;
    }
    requests.at(-1)?.push(person);
    membersInRequest += person.members.length;
  }
  return requests.map((request) => ({ list, persons: request }));
}
