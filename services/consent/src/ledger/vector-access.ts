import type { Cause, ConsentVector, PurposeChange, PurposeId, PurposeState } from '@entente/contracts';

/** A purpose may be called like a member of every object (`constructor`), so only own members count. */
export const stateOf = (vector: ConsentVector, purpose: PurposeId): PurposeState | undefined =>
  Object.hasOwn(vector, purpose) ? vector[purpose] : undefined;

/** One purpose's state of a person: what nothing was decided about since an erasure stands erased (REC-8). */
export const standingState = (
  { vector, erasedAt }: { readonly vector: ConsentVector; readonly erasedAt?: string | null },
  purpose: PurposeId,
): PurposeState | undefined =>
  stateOf(vector, purpose) ??
  (erasedAt === undefined || erasedAt === null ? undefined : { decision: 'erased', since: erasedAt });

/** Erased, and not come back since. */
export const isErased = ({
  vector,
  erasedAt,
}: {
  readonly vector: ConsentVector;
  readonly erasedAt?: string | null;
}): boolean => erasedAt !== undefined && erasedAt !== null && Object.keys(vector).length === 0;

export const withState = (vector: ConsentVector, purpose: PurposeId, state: PurposeState): ConsentVector => ({
  ...vector,
  [purpose]: state,
});

/** Every purpose whose state differs, in order of name. */
export function changesBetween(before: ConsentVector, after: ConsentVector, cause: Cause): PurposeChange[] {
  const purposes = (Object.keys(after) as PurposeId[]).sort();
  return purposes.flatMap((purpose) => {
    const to = stateOf(after, purpose);
    const from = stateOf(before, purpose);
    if (to === undefined || to === from) return [];
    return [{ purpose, from: from?.decision ?? null, to: to.decision, cause }];
  });
}
