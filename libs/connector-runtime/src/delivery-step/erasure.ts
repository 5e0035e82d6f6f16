import type { ConsentChanged, ConsentVector } from '@entente/contracts';

/** REC-8: erasure is a value: nothing is left in the vector, or only words that say so. */
export const isErasedVector = (vector: ConsentVector): boolean =>
  Object.values(vector).every(({ decision }) => decision === 'erased');

/**
 * Whether an event asks for the deletion of the person and not only of a purpose: where anything is still granted, deleting
 * the person would take that away as well, so the purpose alone is revoked.
 */
export function isErasure({
  direction,
  vector,
  changes,
}: Pick<ConsentChanged, 'direction' | 'vector' | 'changes'>): boolean {
  if (direction !== 'deny' || Object.values(vector).some(({ decision }) => decision === 'granted')) return false;
  return isErasedVector(vector) || changes.some(({ to }) => to === 'erased');
}
