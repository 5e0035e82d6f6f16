import { BySubject } from '../evidence/by-subject.ts';
import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { never } from '../evidence/intervals.ts';
import { inOrder } from '../excerpt.ts';
import type { Effect, EgressStart, PartnerRequest } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * FENCE: at a partner no operation that takes away (revoke, erase) takes effect after one of a higher version, and at most
 * one such call is under way per (recipient, subject). Shares are not fenced at the partner, nor is what resumes a person
 * first, which passes gate and row like a share (DLV-5): one that overtakes is answered by the second revocation (DLV-3),
 * which ACK-TRUTH and CONVERGENCE judge.
 */
export const fence: Invariant = (evidence) => [...effects(evidence), ...underWay(evidence)];

const takesAway = (effect: Effect): boolean => effect === 'revoke' || effect === 'erase';

function effects({ events }: Evidence): Violation[] {
  const taken = events
    .of('partner.request')
    .filter(({ effect, effectAt, version }) => takesAway(effect) && effectAt !== undefined && version !== undefined)
    .sort((a, b) => (a.effectAt ?? 0) - (b.effectAt ?? 0));
  const highest = new BySubject<Map<string, PartnerRequest>>();
  const found: Violation[] = [];
  for (const request of taken) {
    const newest = highest.entry(request, () => new Map());
    const before = newest.get(request.recipient);
    if (!before || (before.version ?? 0) <= (request.version ?? 0)) {
      newest.set(request.recipient, request);
      continue;
    }
    const what = `${request.effect} of version ${request.version} took effect at ${request.recipient} after ${before.effect} of version ${before.version}`;
    found.push({ rule: 'FENCE', what, events: inOrder(before, request) });
  }
  return found;
}

function underWay({ events, attemptEnds, faults, processes }: Evidence): Violation[] {
  const open = new BySubject<Map<string, { readonly start: EgressStart; readonly end: number }>>();
  const found: Violation[] = [];
  for (const start of events.of('egress.start')) {
    if (!takesAway(start.effect)) continue;
    const calls = open.entry(start, () => new Map());
    const before = calls.get(start.recipient);
    const end = attemptEnds.get(start.attempt)?.at ?? processes.endIn(start.process, start.at, never) ?? never;
    if (!before || end > before.end || before.end <= start.at) calls.set(start.recipient, { start, end });
    if (!before || before.start.attempt === start.attempt || before.end <= start.at) continue;
    // A stopped process holds its socket open past the claim that let it send; its answer settles nothing (DLV-2).
    if (faults.stopsIn(before.start.process, before.start.at, start.at).length > 0) continue;
    const what = `two calls on ${start.subject} were under way at ${start.recipient} at once`;
    found.push({ rule: 'FENCE', what, events: inOrder(before.start, start) });
  }
  return found;
}
