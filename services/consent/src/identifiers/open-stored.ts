import { Unsealable } from '@entente/contracts';
import type { KeyRing, RawIdentifiers } from '@entente/contracts';
import { openIdentifiers } from './subject-identifiers.ts';

/** Null, and `report`ed, when the stored text cannot be opened; whoever denies goes on without it. */
export async function openIdentifiersOrNull(
  ring: KeyRing,
  sealed: string,
  report: (error: Unsealable) => void,
): Promise<RawIdentifiers | null> {
  try {
    return await openIdentifiers(ring, sealed);
  } catch (error) {
    if (!(error instanceof Unsealable)) throw error;
    report(error);
    return null;
  }
}
