import type { Catalogue, ConsentVector, Decision, PurposeId, PurposeState, RecipientId } from '@entente/contracts';
import type { SubjectState } from '../ledger/decision-context.ts';
import { standingState, stateOf, withState } from '../ledger/vector-access.ts';

/** Of two refusals the one that says more stands. */
const weight: Readonly<Record<Decision, number>> = {
  granted: 0,
  expired: 1,
  denied: 2,
  withdrawn: 3,
  objected: 4,
  erased: 5,
};

const ends = (state: PurposeState): number =>
  state.validUntil === undefined ? Infinity : Date.parse(state.validUntil);
export const purposesOf = (...vectors: readonly ConsentVector[]): PurposeId[] =>
  [...new Set(vectors.flatMap((vector) => Object.keys(vector)))].sort() as PurposeId[];

/** Who a notice names as receivers for one purpose. */
function named(state: PurposeState, purpose: PurposeId, { notices }: Catalogue): readonly RecipientId[] {
  const purposes = state.notice === undefined ? undefined : notices.get(state.notice)?.purposes;
  return purposes !== undefined && Object.hasOwn(purposes, purpose) ? (purposes[purpose] ?? []) : [];
}

function receivers(state: PurposeState, purpose: PurposeId, catalogue: Catalogue): RecipientId[] {
  return named(state, purpose, catalogue).filter((recipient) => !state.refused?.includes(recipient));
}

/** The same grant for fewer recipients or a shorter time; itself when that takes nothing away. */
function narrowed(
  state: PurposeState,
  refused: readonly RecipientId[],
  validUntil: string | undefined,
  now: string,
): PurposeState {
  const held = state.refused ?? [];
  const all = [...new Set([...held, ...refused])].sort();
  const isShorter = validUntil !== undefined && Date.parse(validUntil) < ends(state);
  if (all.length === held.length && !isShorter) return state;
  return {
    ...state,
    since: now,
    ...(isShorter ? { validUntil } : {}),
    ...(all.length > 0 ? { refused: all } : {}),
  };
}

/** REC-7 for one purpose and one side: a refusal on either side wins, and of two grants what both allow is left. */
export function mergedState(
  own: PurposeState | undefined,
  other: PurposeState | undefined,
  purpose: PurposeId,
  catalogue: Catalogue,
  now: string,
): PurposeState | undefined {
  if (other === undefined) return own;
  if (own === undefined) return { ...other, since: now, ...(other.decision === 'granted' ? { lent: true } : {}) };
  if (own.decision !== 'granted' || other.decision !== 'granted')
    return weight[other.decision] > weight[own.decision] ? { ...other, since: now } : own;
  const allowed = receivers(other, purpose, catalogue);
  const lost = receivers(own, purpose, catalogue).filter((recipient) => !allowed.includes(recipient));
  return narrowed(own, [...lost, ...(other.refused ?? [])], other.validUntil, now);
}

type Side = Omit<SubjectState, 'version'>;

const wasErased = ({ erasedAt }: Side): boolean => erasedAt !== undefined && erasedAt !== null;

/**
 * REC-7: the vector of one side after a merge with the other. Neither side keeps a grant that the other refused. A side that
 * was erased refuses every purpose it has said nothing of since, so the other learns of purposes that neither vector names.
 */
export function mergedVector(own: Side, other: Side, catalogue: Catalogue, now: string): ConsentVector {
  const refusedByErasure = wasErased(other) ? [...catalogue.purposes.keys()] : [];
  const purposes = new Set([...purposesOf(own.vector, other.vector), ...refusedByErasure]);
  return [...purposes].sort().reduce((vector, purpose) => {
    const before = standingState(own, purpose);
    const theirs = standingState(other, purpose);
    // One side's erasure refuses for the other, and erases nothing there.
    const refusal = theirs?.decision === 'erased' ? ({ decision: 'withdrawn', since: now } as const) : theirs;
    const after = mergedState(before, refusal, purpose, catalogue, now);
    return after === undefined || after === before ? vector : withState(vector, purpose, after);
  }, own.vector);
}

/**
 * REC-4: what `before` → `after` under one key takes from another key of the same person. What it gives stays where it was
 * given: a person grants what they were shown, where they were shown it.
 */
export function spread(
  held: ConsentVector,
  { before, after }: { readonly before: ConsentVector; readonly after: ConsentVector },
  catalogue: Catalogue,
  now: string,
): ConsentVector {
  return purposesOf(before, after).reduce((vector, purpose) => {
    const [from, to, own] = [stateOf(before, purpose), stateOf(after, purpose), stateOf(vector, purpose)];
    if (to === undefined || to === from) return vector;
    if (to.decision !== 'granted') {
      const isNew = from === undefined || from.decision === 'granted' || from.decision === 'expired';
      const isFree = own === undefined || own.decision === 'granted';
      return isNew && isFree ? withState(vector, purpose, { ...to, since: now }) : vector;
    }
    if (from?.decision !== 'granted' || own?.decision !== 'granted') return vector;
    const allowed = receivers(to, purpose, catalogue);
    const lost = receivers(from, purpose, catalogue).filter((recipient) => !allowed.includes(recipient));
    const refused = (to.refused ?? []).filter((recipient) => !from.refused?.includes(recipient));
    const next = narrowed(own, [...lost, ...refused], ends(to) < ends(from) ? to.validUntil : undefined, now);
    return next === own ? vector : withState(vector, purpose, next);
  }, held);
}

/** After a split nobody keeps a grant that was given under the other key; what the merge took away stays away. */
export function withoutLent(vector: ConsentVector, now: string): ConsentVector {
  return purposesOf(vector).reduce((held, purpose) => {
    const state = stateOf(held, purpose);
    if (state?.lent !== true || state.decision !== 'granted') return held;
    return withState(held, purpose, ended(state, now));
  }, vector);
}

/** A grant that is over, by nobody's refusal. */
export const ended = ({ notice }: PurposeState, now: string): PurposeState => ({
  decision: 'expired',
  ...(notice === undefined ? {} : { notice }),
  since: now,
});
