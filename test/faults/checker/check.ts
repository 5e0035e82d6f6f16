import { evidenceOf, type Invariant } from './evidence/evidence.ts';
import type { History, HistoryEvent } from './history.ts';
import { ackComplete } from './invariants/ack-complete.ts';
import { ackTruth } from './invariants/ack-truth.ts';
import { apiIdempotent } from './invariants/api-idempotent.ts';
import { avail } from './invariants/avail.ts';
import { causal } from './invariants/causal.ts';
import { convergence } from './invariants/convergence.ts';
import { durableAck } from './invariants/durable-ack.ts';
import { effectOnce } from './invariants/effect-once.ts';
import { expiry } from './invariants/expiry.ts';
import { failClosed } from './invariants/fail-closed.ts';
import { fence } from './invariants/fence.ts';
import { gap } from './invariants/gap.ts';
import { inflight } from './invariants/inflight.ts';
import { isolation } from './invariants/isolation.ts';
import { lagTruth } from './invariants/lag-truth.ts';
import { leaseReset } from './invariants/lease-reset.ts';
import { ledger } from './invariants/ledger.ts';
import { logEpoch } from './invariants/log-epoch.ts';
import { neverBlocked } from './invariants/never-blocked.ts';
import { noLeak } from './invariants/no-leak.ts';
import { noLeakStrict } from './invariants/no-leak-strict.ts';
import { noLoss } from './invariants/no-loss.ts';
import { noPhantom } from './invariants/no-phantom.ts';
import { order } from './invariants/order.ts';
import { privacy } from './invariants/privacy.ts';
import { reCheck } from './invariants/re-check.ts';
import { restored } from './invariants/restored.ts';
import { topicReads } from './invariants/topic-reads.ts';
import { topicRecords } from './invariants/topic-records.ts';
import { isBroken, type Violation } from './violation.ts';

const invariants: readonly Invariant[] = [
  noLeak,
  noLeakStrict,
  expiry,
  failClosed,
  leaseReset,
  reCheck,
  inflight,
  avail,
  causal,
  durableAck,
  noPhantom,
  noLoss,
  restored,
  neverBlocked,
  ledger,
  order,
  fence,
  convergence,
  apiIdempotent,
  effectOnce,
  ackTruth,
  ackComplete,
  lagTruth,
  gap,
  logEpoch,
  topicRecords,
  topicReads,
  privacy,
  isolation,
];

/** Judges a history by every invariant it carries evidence for; a lawful one has none. */
export function check(history: History): Violation[] {
  const evidence = evidenceOf(history);
  return withoutRepeatedPauses(invariants.flatMap((invariant) => invariant(evidence)));
}

/** A paused send is counted once, whatever rules it broke, and not beside a rule the pause does not excuse. */
function withoutRepeatedPauses(violations: readonly Violation[]): Violation[] {
  const counted = new Set<HistoryEvent | undefined>();
  for (const violation of violations) if (isBroken(violation)) counted.add(sendIn(violation));
  return violations.filter((violation) => {
    const send = sendIn(violation);
    if (isBroken(violation) || !send) return true;
    const first = !counted.has(send);
    counted.add(send);
    return first;
  });
}

const sendIn = ({ events }: Violation): HistoryEvent | undefined =>
  events.findLast(({ kind }) => kind === 'egress.start');
