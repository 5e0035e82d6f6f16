import type { ConsentVector, PurposeId } from '@entente/contracts';
import { isPending, type Delivery } from './delivery.ts';
import type { RecipientFacts, Stepped } from './delivery-step.ts';
import { isErasedVector } from './erasure.ts';

/**
 * Whether a version that comes behind others which nobody will hand over has to be taken for a denial, whatever it says itself:
 * what stands denied in it may be the change that was not heard of, and an answer is owed for that one (TRK-1). A revocation on
 * its way answers for all that came behind it, so it goes on to the newest version.
 */
export const mayHideDenial = (
  row: Delivery,
  { vector, desired }: { readonly vector: ConsentVector; readonly desired: readonly PurposeId[] },
  { purposes }: RecipientFacts,
): boolean =>
  isErasedVector(vector) ||
  isPending(row) ||
  purposes.some((purpose) => vector[purpose] !== undefined && !desired.includes(purpose));

/**
 * TRK-1: a denial between the row's version and the newer one will not be heard of any more, because logs or rows have lost it
 * (DLV-7). Where nothing is left to revoke it was taken back before it reached us (DLV-5), so the newer version needs nothing
 * and supersedes it: whoever waits for its outcome is told so. Should the newer one deny something itself, it is nothing of this
 * recipient's.
 */
export function tellUnheard(before: Delivery, { delivery, enforcements }: Stepped): Stepped {
  const { version } = delivery;
  if (version === before.version || enforcements.length > 0 || isPending(delivery)) return { delivery, enforcements };
  const settled = { direction: 'deny', outcome: 'never-shared', attempts: 0 } as const;
  return { delivery, enforcements: [{ ...settled, version }] };
}

/**
 * RST-3, DLV-6: what a restored row says of somebody wiped is not believed across a gap in the versions: they may have come back and
 * been shared before the loss, and nobody will say so again.
 */
export const doubtWiped = <D extends Delivery>(row: D, version: number): D =>
  row.wiped && version > row.version + 1 ? { ...row, wiped: false } : row;
