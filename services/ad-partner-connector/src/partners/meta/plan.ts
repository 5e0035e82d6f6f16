import type { Identifiers, PurposeId } from '@entente/contracts';
import type { Revocation } from '@entente/connector-runtime';

/** One row of a payload: [EMAIL, PHONE], SHA-256 in lower hex exactly as recorded, '' where unknown. */
export type Row = readonly [email: string, phone: string];

export const schema = ['EMAIL', 'PHONE'] as const;

/** Rows per call (partner-apis.md §1). */
export const rowLimit = 10_000;

const key = (row: Row): string => row.join(' ');

/** Each recorded set of hashes once. */
export function rowsOf(identifiers: readonly Identifiers[]): Row[] {
  const rows = new Map<string, Row>();
  for (const set of identifiers) {
    const row: Row = [set['meta-email'] ?? '', set['meta-phone'] ?? ''];
    if (row[0] !== '' || row[1] !== '') rows.set(key(row), row);
  }
  return [...rows.values()];
}

const isHash = (value: string): boolean => value === '' || /^[0-9a-f]{64}$/.test(value);

/** A row Meta can never take, whatever we repeat. */
export const isMalformed = (row: Row): boolean => !row.every(isHash);

/** Persons to remove from one audience. */
export interface Removal {
  readonly audience: string;
  readonly persons: readonly { readonly revocation: Revocation; readonly rows: readonly Row[] }[];
}

export interface RemovalPlan {
  readonly removals: readonly Removal[];
  /** Their withdrawn purpose has no audience in the settings. */
  readonly unmapped: ReadonlySet<Revocation>;
  /** Nothing Meta could know them by: no other person's answer speaks for them. */
  readonly lacking: ReadonlySet<Revocation>;
}

/** Per audience whose purpose fell away, the persons to remove, at most `rowLimit` rows in each removal. */
export function planRemovals(batch: readonly Revocation[], audiences: Readonly<Record<string, string>>): RemovalPlan {
  const byAudience = new Map<string, Removal['persons'][number][]>();
  const unmapped = new Set<Revocation>();
  const lacking = new Set<Revocation>();
  for (const revocation of batch) {
    const rows = rowsOf(revocation.identifiers);
    if (rows.length === 0) {
      lacking.add(revocation);
      continue;
    }
    for (const purpose of revocation.recipientPurposes) {
      if (revocation.allowed.includes(purpose)) continue;
      const audience = audienceOf(purpose, audiences);
      if (audience === null) unmapped.add(revocation);
      else byAudience.set(audience, [...(byAudience.get(audience) ?? []), { revocation, rows }]);
    }
  }
  return { removals: [...byAudience].flatMap(([audience, persons]) => inCalls(audience, persons)), unmapped, lacking };
}

export const audienceOf = (purpose: PurposeId, audiences: Readonly<Record<string, string>>): string | null =>
  (Object.hasOwn(audiences, purpose) ? audiences[purpose] : undefined) ?? null;

function inCalls(audience: string, persons: Removal['persons']): Removal[] {
  const calls: Removal['persons'][number][][] = [];
  let rowsInCall = Infinity;
  for (const person of persons) {
    if (rowsInCall + person.rows.length > rowLimit) {
      calls.push([]);
      rowsInCall = 0;
    }
    calls.at(-1)?.push(person);
    rowsInCall += person.rows.length;
  }
  return calls.map((call) => ({ audience, persons: call }));
}
