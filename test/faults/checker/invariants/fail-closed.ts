import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { blindness } from '../evidence/faults.ts';
import { unlawful } from '../evidence/pause.ts';
import type { Send } from '../evidence/sends.ts';
import { inOrder, milliseconds } from '../excerpt.ts';
import type { HistoryEvent, Nemesis } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * FAIL-CLOSED: if an instance can hold no freshness proof issued after p, no send starts after p + D. Judged twice: by
 * the faults that cut a process off, and by the beats that came back to it in watermarks. That nothing unknown is
 * allowed follows from NO-LEAK: what no committed version allows is a leak.
 */
export const failClosed: Invariant = (evidence) => {
  const found: Violation[] = [];
  for (const send of evidence.sends) {
    const { start } = send;
    const lawfulAt = (at: number): boolean => stale(evidence, send, at) === undefined;
    const why = stale(evidence, send, start.at);
    if (!why) continue;
    // Noticed late, it may have left after a proof that came meanwhile.
    if (start.latest !== undefined && !stale(evidence, send, start.latest)) continue;
    const what = `${start.process} began a ${start.effect} ${milliseconds(start.at - why.since)} after its last possible proof of freshness`;
    found.push(
      ...unlawful(evidence, send, lawfulAt, () => ({ rule: 'FAIL-CLOSED', what, events: inOrder(why.event, start) })),
    );
  }
  return found;
};

interface Staleness {
  readonly since: number;
  readonly event: HistoryEvent;
}

function stale(evidence: Evidence, { start }: Send, at: number): Staleness | undefined {
  const { faults, settings, processes, freshness } = evidence;
  const oldest = at - settings.maxStalenessMs - settings.clockResolutionMs;
  const cut = faults.blindAt(start.process, at);
  if (cut && cut.from < oldest) return { since: cut.from, event: cutting(evidence, start.process, cut.from) };
  const begun = processes.startAt(start.process, at)?.start;
  const partition = start.partition ?? freshness.partitionOf(start);
  if (begun === undefined || partition === undefined) return undefined;
  const proof = freshness.proofAt(begun, partition, at + settings.clockResolutionMs);
  return proof && proof.sentAt < oldest ? { since: proof.sentAt, event: proof.record } : undefined;
}

function cutting({ faults }: Evidence, process: string, from: number): Nemesis {
  const cut = faults.all.find(
    (fault) =>
      blindness(fault).from === from && (fault.event.cutsProof === 'all' || fault.event.cutsProof?.includes(process)),
  );
  if (!cut) throw new Error(`no fault begins at ${from}`);
  return cut.event;
}
