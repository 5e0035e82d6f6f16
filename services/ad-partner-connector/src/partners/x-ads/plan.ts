import type { Identifiers, PurposeId } from '@entente/contracts';
import type { Revocation } from '@entente/connector-runtime';

/** Operations per request; each person is one (partner-apis.md §6). */
export const operationLimit = 2_500;

/** A user takes about 80 bytes of the 5,000,000 a request may have (partner-apis.md §6). */
export const userLimit = 50_000;

/** The e-mail hashes recorded of a person, each once, in lower hex exactly as recorded. */
export const emailsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap((set) => set['x-email'] || [])),
];

/** A person to remove from one audience, with every hash they may be there under. */
export interface Leaving {
  readonly revocation: Revocation;
  readonly emails: readonly string[];
}

/** Persons to remove from one audience in one request. */
export interface Removal {
  readonly audience: string;
  readonly persons: readonly Leaving[];
}

export interface RemovalPlan {
  readonly removals: readonly Removal[];
  /** Their withdrawn purpose has no audience in the settings. */
  readonly unmapped: ReadonlySet<Revocation>;
  /** Without a single hash of this partner's: they must never pass for removed because others were. */
  readonly lacking: ReadonlySet<Revocation>;
}

/** Per audience whose purpose fell away, the persons to remove, in requests X takes. */
export function planRemovals(batch: readonly Revocation[], audiences: Readonly<Record<string, string>>): RemovalPlan {
  const byAudience = new Map<string, Leaving[]>();
  const unmapped = new Set<Revocation>();
  const lacking = new Set<Revocation>();
  for (const revocation of batch) {
    const emails = emailsOf(revocation.identifiers);
    if (emails.length === 0) lacking.add(revocation);
    for (const purpose of revocation.recipientPurposes) {
      if (revocation.allowed.includes(purpose)) continue;
      const audience = audienceOf(purpose, audiences);
      if (audience === null) unmapped.add(revocation);
      else if (emails.length > 0)
        byAudience.set(audience, [...(byAudience.get(audience) ?? []), { revocation, emails }]);
    }
  }
  return {
    removals: [...byAudience].flatMap(([audience, persons]) => inRequests(audience, persons)),
    unmapped,
    lacking,
  };
}

export const audienceOf = (purpose: PurposeId, audiences: Readonly<Record<string, string>>): string | null =>
  (Object.hasOwn(audiences, purpose) ? audiences[purpose] : undefined) ?? null;

function inRequests(audience: string, persons: readonly Leaving[]): Removal[] {
  const requests: Leaving[][] = [];
  let usersInRequest = Infinity;
  for (const person of persons) {
    const full = usersInRequest + person.emails.length > userLimit || requests.at(-1)?.length === operationLimit;
    if (full) {
      requests.push([]);
      usersInRequest = 0;
    }
    requests.at(-1)?.push(person);
    usersInRequest += person.emails.length;
  }
  return requests.map((request) => ({ audience, persons: request }));
}
