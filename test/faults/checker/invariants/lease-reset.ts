import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { lossBefore, replicaLife } from '../evidence/gate-life.ts';
import { inOrder } from '../excerpt.ts';
import type { EgressStart, HistoryEvent, StoreEvent } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * LEASE-RESET: after a start, a lost replica or a new seed a gate denies until a beat of its own start has come back on
 * the subject's partition; a lease is never persisted (GATE-2). An old but own proof is FAIL-CLOSED's.
 */
export const leaseReset: Invariant = (evidence) => {
  const life = replicaLife(evidence);
  const found: Violation[] = [];
  for (const { start } of evidence.sends) {
    const fault = unproven(evidence, life.get(start.process) ?? [], start);
    if (!fault) continue;
    const what = `${start.process} began a ${start.effect} ${fault.why}`;
    found.push({ rule: 'LEASE-RESET', what, events: inOrder(fault.event, start) });
  }
  return found;
};

function unproven(
  { processes, freshness, settings }: Evidence,
  life: readonly StoreEvent[],
  start: EgressStart,
): { readonly why: string; readonly event: HistoryEvent } | undefined {
  const lost = lossBefore(life, start.at);
  if (lost && !lost.seeded) return { why: 'while its replica was not seeded', event: lost.loss };
  const begun = processes.startAt(start.process, start.at);
  const partition = start.partition ?? freshness.partitionOf(start);
  if (!freshness.watched || begun?.start === undefined || partition === undefined) return undefined;
  const proof = freshness.proofAt(begun.start, partition, start.at + settings.clockResolutionMs);
  if (!proof) return { why: 'before any proof of freshness reached this start', event: begun };
  if (lost && proof.at < lost.loss.at) return { why: 'on a lease from before its replica was lost', event: lost.loss };
  return undefined;
}
