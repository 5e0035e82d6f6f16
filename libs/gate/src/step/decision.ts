import {
  permission,
  type Catalogue,
  type DenialReason,
  type Permission,
  type PermittingVector,
  type PurposeId,
  type RecipientId,
  type SubjectKey,
} from '@entente/contracts';
import { leaseState, type PartitionState } from './gate-step.ts';
import type { Reading } from './lease.ts';
import type { SharedVector } from './shared-vector.ts';

/** What someone wants to send. */
export interface Intent {
  readonly subjectKey: SubjectKey;
  readonly purpose: PurposeId;
  readonly recipient: RecipientId;
  /** The version a grant was answered with: a gate below it answers stale (GATE-5). */
  readonly atLeastVersion?: number;
}

export type StaleReason = 'not-seeded' | 'no-lease' | 'catalogue-behind' | 'below-version' | 'gap' | 'store';
export interface Allow {
  readonly kind: 'allow';
  /** Monotonic milliseconds: the lease's end or the grant's own, the earlier. No first byte at or after it. */
  readonly deadline: number;
  readonly version: number;
  /** When the grant ends by itself, milliseconds since the epoch; absent when it does not. */
  readonly until?: number;
}
export interface Deny {
  readonly kind: 'deny';
  readonly reason: DenialReason;
  /** Of the state that says so; absent where no readable state is held of this person, or it was not asked. */
  readonly version?: number | undefined;
}
/** The gate cannot know: the send waits. */
export interface Stale {
  readonly kind: 'stale';
  readonly reason: StaleReason;
}
export type Decision = Allow | Deny | Stale;

/** One subject as a decision needs it; a closed key holds no vector, whatever its version. */
export interface Held {
  readonly version: number;
  readonly vector: PermittingVector | undefined;
  /** The same vector with what follows from it, where the replica keeps that. */
  readonly shared?: SharedVector;
}

/** The newest pass time heard, and when. */
export interface PassTime {
  readonly passTime: number;
  readonly heard: Reading;
}

/** All that a decision rests on. */
export interface GateView {
  readonly partition: PartitionState;
  readonly catalogue: Catalogue;
  readonly held: Held | undefined;
  readonly pass: PassTime | null;
  readonly recipients: ReadonlySet<RecipientId>;
}

/** GATE-4's clock for expiry: the host's, or the last pass time plus the monotonic time since, whichever is later. */
export const expiryNow = (pass: PassTime | null, now: Reading): number =>
  pass === null ? now.wall : Math.max(now.wall, pass.passTime + (now.monotonic - pass.heard.monotonic));

const permissionIn = ({ held, catalogue }: GateView, { purpose, recipient }: Intent, today: number): Permission =>
  held?.shared === undefined
    ? permission(held?.vector, catalogue, purpose, recipient, today)
    : held.shared.permission(catalogue, purpose, recipient, today);

/** GATE-4. Pure. A gate that cannot know says stale before it says anything else. */
export function decide(view: GateView, intent: Intent, now: Reading): Decision {
  const lease = leaseState(view.partition, view.catalogue.number, now);
  if (!lease.held) return { kind: 'stale', reason: lease.why };
  const version = view.held?.version ?? 0;
  if (intent.atLeastVersion !== undefined && version < intent.atLeastVersion)
    return { kind: 'stale', reason: 'below-version' };
  // The tracker and `wait=gates` count this gate for its own recipients only.
  if (!view.recipients.has(intent.recipient)) return { kind: 'deny', reason: 'unknown-recipient' };
  const today = expiryNow(view.pass, now);
  const answer = permissionIn(view, intent, today);
  // Of a closed key it is not the record of that version that denies, but one that could not be read.
  const said = view.held?.vector === undefined ? undefined : version;
  if (!answer.allowed) return { kind: 'deny', reason: answer.reason, version: said };
  const deadline = now.monotonic + Math.min(lease.remainingMs, answer.until - today);
  return { kind: 'allow', deadline, version, ...(Number.isFinite(answer.until) ? { until: answer.until } : {}) };
}
