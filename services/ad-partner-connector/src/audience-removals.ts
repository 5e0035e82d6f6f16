import type { Identifiers, PurposeId } from '@entente/contracts';
import type { Outcome, Revocation } from '@entente/connector-runtime';

/** Purpose → audience at the partner, as the settings name them. */
export type Audiences = Readonly<Record<string, string>>;

/** A person to remove from one audience, with every row they may be there under. */
export interface Leaving<Row> {
  readonly revocation: Revocation;
  readonly rows: readonly Row[];
}

/** Persons to remove from one audience in one request. */
interface Removal<Row> {
  readonly audience: string;
  readonly persons: readonly Leaving<Row>[];
}

export interface RemovalPlan<Row> {
  readonly removals: readonly Removal<Row>[];
  /**
   * Persons a call alone cannot bring to rest, with the reason: nothing the partner could know them by, so that no other
   * person's answer may speak for them; or a withdrawn purpose without an audience in the settings.
   */
  readonly refused: ReadonlyMap<Revocation, Refused>;
}

/** What a partner takes in one request. */
export interface RequestCeiling {
  readonly rows: number;
  /** Where it counts persons as well. */
  readonly persons?: number;
}

type Refused = Extract<Outcome, { kind: 'refused' }>;
export const missingIdentifier: Refused = { kind: 'refused', why: 'missing-identifier' };
export const purposeNotMapped: Refused = { kind: 'refused', why: 'purpose-not-mapped' };

export const audienceOf = (purpose: PurposeId, audiences: Audiences): string | null =>
  (Object.hasOwn(audiences, purpose) ? audiences[purpose] : undefined) ?? null;

/** Per audience whose purpose fell away, the persons to remove, in requests the partner takes (DLV-1: from the set). */
export function planRemovals<Row>(
  batch: readonly Revocation[],
  audiences: Audiences,
  rowsOf: (identifiers: readonly Identifiers[]) => readonly Row[],
  ceiling: RequestCeiling,
): RemovalPlan<Row> {
  const byAudience = new Map<string, Leaving<Row>[]>();
  const refused = new Map<Revocation, Refused>();
  for (const revocation of batch) {
    const rows = rowsOf(revocation.identifiers);
    if (rows.length === 0) {
      refused.set(revocation, missingIdentifier);
      continue;
    }
    const fallen = revocation.recipientPurposes.filter((purpose) => !revocation.allowed.includes(purpose));
    const leaves = new Set(fallen.map((purpose) => audienceOf(purpose, audiences)));
    if (leaves.has(null)) refused.set(revocation, purposeNotMapped);
    for (const audience of leaves) {
      if (audience === null) continue;
      const persons = byAudience.get(audience) ?? [];
      byAudience.set(audience, persons);
      persons.push({ revocation, rows });
    }
  }
  const removals = [...byAudience].flatMap(([audience, persons]) =>
    inRequests(persons, ceiling).map((request) => ({ audience, persons: request })),
  );
  return { removals, refused };
}

function inRequests<Row>(persons: readonly Leaving<Row>[], ceiling: RequestCeiling): Leaving<Row>[][] {
  const requests: Leaving<Row>[][] = [];
  let rowsInRequest = Infinity;
  for (const person of persons) {
    const full = rowsInRequest + person.rows.length > ceiling.rows || requests.at(-1)?.length === ceiling.persons;
    if (full) {
      requests.push([]);
      rowsInRequest = 0;
    }
    requests.at(-1)?.push(person);
    rowsInRequest += person.rows.length;
  }
  return requests;
}
