import { Unsealable } from '@entente/contracts';
import type { KeyRing, RawIdentifiers } from '@entente/contracts';
import { unwrapDataKey } from '../erasure/data-keys.ts';
import type { Owner } from '../erasure/data-keys.ts';
import { openIdentifiers } from './subject-identifiers.ts';

/** Identifiers of one person as their row holds them. */
export interface StoredIdentifiers extends Owner {
  readonly sealed: string;
  /** The person's data key; null for identifiers written before there were any, under the service's own key. */
  readonly wrapped: string | null;
}

/** Null, and `report`ed, when the stored text cannot be opened; whoever denies goes on without it. */
export async function openIdentifiersOrNull(
  ring: KeyRing,
  { sealed, wrapped, ...owner }: StoredIdentifiers,
  report: (error: Unsealable) => void,
): Promise<RawIdentifiers | null> {
  try {
    const keys: KeyRing = wrapped === null ? ring : [await unwrapDataKey(ring, owner, wrapped), ...ring];
    return await openIdentifiers(keys, sealed);
  } catch (error) {
    if (!(error instanceof Unsealable)) throw error;
    report(error);
    return null;
  }
}
