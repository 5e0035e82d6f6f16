import type { ConsentVector, PurposeId } from '@entente/contracts';

/**
 * Where the enforcement of the newest deny stands.
 * - `none`: nothing to enforce. `settled`: enforced, or never shared.
 * - `due`: to be claimed now. `claimed`: an attempt runs. `waiting`: the next attempt has its time.
 * - `unclear`: as waiting, and an earlier attempt may have had its effect. `parked`: a person must look.
 */
export type RevocationState = 'none' | 'due' | 'claimed' | 'waiting' | 'unclear' | 'parked' | 'settled';

/** Why a row is parked of which a record could not be read: what stands is not known until one that can be. */
export const undecodable = 'undecodable-record';

/** The part of a delivery row that the rules work on: one per (recipient, subject). Times are database milliseconds. */
export interface Delivery {
  /** Version of the newest vector seen; 0 before the first event. */
  readonly version: number;
  readonly vector: ConsentVector | null;
  /** DLV-1: the purposes allowed at this recipient by the newest vector and catalogue, sorted. */
  readonly desired: readonly PurposeId[];
  /** Number of the catalogue `desired` was computed with. */
  readonly catalogue: number;
  /** Purposes this recipient may have received data for (SHR-1); only a settled erasure empties it (REC-8). */
  readonly exposed: readonly PurposeId[];
  /** End of the last window in which a share to this recipient may be on its way, or null. */
  readonly inFlightUntil: number | null;

  readonly state: RevocationState;
  /** Version the pending or last revocation answers for; 0 when there never was one. */
  readonly revokeVersion: number;
  /** What may stay at the partner when the revocation is done. */
  readonly revokeTo: readonly PurposeId[];
  /** An erasure is never superseded by a grant (DLV-5). */
  readonly erasure: boolean;
  /** An erasure was settled here and nothing was allowed since: nothing of this person is known to be there (DLV-6). */
  readonly wiped: boolean;
  /** An attempt of this revocation began, so only a clean answer ends it. */
  readonly attempted: boolean;
  /** An attempt of this revocation may have had its effect without our knowing. */
  readonly ambiguous: boolean;
  readonly attempts: number;
  readonly nextAttemptAt: number | null;
  readonly claimToken: string | null;
  /** Purposes the partner was told to stop and was not told to resume since (DLV-5). */
  readonly revoked: readonly PurposeId[];
  /** Newest version the partner has accepted, or that needed nothing. */
  readonly appliedVersion: number;
  /** When the runtime read the event behind the pending revocation (t3). */
  readonly consumedAt: number | null;
  readonly reason: string | null;
  readonly reference: string | null;
}

export const newDelivery: Delivery = {
  version: 0,
  vector: null,
  desired: [],
  catalogue: 0,
  exposed: [],
  inFlightUntil: null,
  state: 'none',
  revokeVersion: 0,
  revokeTo: [],
  erasure: false,
  wiped: false,
  attempted: false,
  ambiguous: false,
  attempts: 0,
  nextAttemptAt: null,
  claimToken: null,
  revoked: [],
  appliedVersion: 0,
  consumedAt: null,
  reason: null,
  reference: null,
};

const pendingStates: ReadonlySet<RevocationState> = new Set(['due', 'claimed', 'waiting', 'unclear', 'parked']);

/** A revocation that has not ended: shares to this row are held (SHR-1). */
export const isPending = (delivery: Pick<Delivery, 'state'>): boolean => pendingStates.has(delivery.state);
