import type { PurposeId } from '@entente/contracts';
import { isPending, type Delivery } from './delivery.ts';
import { intersection, without } from './purpose-set.ts';

/** Our state against what the partner's own store shows. */
export interface Difference {
  /**
   * `extra`: served though it is not allowed. `stale`: the same, and the partner has accepted the revocation or it is on its
   * way. `missing`: allowed, shared, and not served.
   */
  readonly kind: 'extra' | 'stale' | 'missing';
  readonly purposes: readonly PurposeId[];
}

export interface Compared {
  readonly served: readonly PurposeId[];
  /** By the newest vector and catalogue, now: a grant may have expired without an event. */
  readonly allowed: readonly PurposeId[];
  /** The partner has accepted a revocation whose effect is still being asked for. */
  readonly questionOpen: boolean;
  /** Database milliseconds before the partner was read. */
  readonly readFrom: number;
}

/** What differs; nothing is said of a person about whom something was on its way while the partner was read. */
export function differences(
  row: Pick<Delivery, 'state' | 'version' | 'exposed' | 'revoked' | 'inFlightUntil'>,
  { served, allowed, questionOpen, readFrom }: Compared,
): Difference[] {
  const inFlight = row.inFlightUntil !== null && row.inFlightUntil > readFrom;
  if (row.version < 1 || inFlight) return [];
  const found: Difference[] = [];
  const denied = without(served, allowed);
  if (denied.length > 0) found.push({ kind: isPending(row) || questionOpen ? 'stale' : 'extra', purposes: denied });
  // What was revoked and granted again is brought back by the next share (DLV-5), not before.
  const lacking = without(without(intersection(row.exposed, allowed), row.revoked), served);
  if (lacking.length > 0 && !isPending(row)) found.push({ kind: 'missing', purposes: lacking });
  return found;
}
