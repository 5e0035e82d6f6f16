import { BySubject } from '../evidence/by-subject.ts';
import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { entry, lastWhile } from '../evidence/intervals.ts';
import type { Send } from '../evidence/sends.ts';
import { permittedFrom, raise, type Floor } from '../evidence/strict-answers.ts';
import { inOrder, milliseconds } from '../excerpt.ts';
import type { GateConfirmed, GateDecision } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * RE-CHECK (GATE-5): every attempt, and every chunk of one, has its own decision to allow, at most `recheckMs` old. And
 * what a gate has confirmed to know it no longer sends: no send decided before is unwritten when it confirms (GATE-6).
 */
export const reCheck: Invariant = (evidence) => [...withoutDecision(evidence), ...afterConfirmation(evidence)];

const decidesOn = (decision: GateDecision, { start, destination }: Send): boolean =>
  decision.subject === start.subject &&
  decision.controller === start.controller &&
  decision.recipient === start.recipient &&
  decision.purpose === destination.purpose;

function withoutDecision(evidence: Evidence): Violation[] {
  const { events, settings, faults } = evidence;
  const allowed = new Map<string, GateDecision[]>();
  const deciding = new Set<string>();
  for (const decision of events.of('gate.decision')) {
    if (decision.attempt === undefined) continue;
    deciding.add(decision.process);
    if (decision.decision !== 'allow') continue;
    entry(allowed, decision.attempt, () => []).push(decision);
  }
  const found: Violation[] = [];
  for (const { start, destination } of evidence.sends) {
    if (!deciding.has(start.process)) continue;
    const decisions = allowed.get(start.attempt) ?? [];
    const decision = decisions.findLast(
      (one) => one.at <= start.at + settings.clockResolutionMs && decidesOn(one, { start, destination }),
    );
    const age = decision ? start.at - decision.at : Infinity;
    if (age <= settings.recheckMs + settings.clockResolutionMs) continue;
    if (decision && faults.stopsIn(start.process, decision.at, start.at).length > 0) continue;
    const fault = decision ? `on a decision ${milliseconds(age)} old` : 'without a decision of its own';
    const what = `${start.effect} of ${start.subject} to ${start.recipient} for ${destination.purpose} began ${fault}`;
    found.push({ rule: 'RE-CHECK', what, events: inOrder(decision, start) });
  }
  return found;
}

function afterConfirmation(evidence: Evidence): Violation[] {
  const { events, processes, settings } = evidence;
  const confirmed = new Map<string, BySubject<Floor<GateConfirmed>[]>>();
  for (const event of events.of('gate.confirmed')) {
    const floors = entry(confirmed, event.start, () => new BySubject<Floor<GateConfirmed>[]>()).entry(event, () => []);
    raise(floors, { at: event.at, version: event.version, proof: event });
  }
  if (confirmed.size === 0) return [];
  const found: Violation[] = [];
  for (const send of evidence.sends) {
    const { start } = send;
    const floor = confirmedBefore(send);
    if (!floor || permittedFrom(evidence, send, floor.version, start.at)) continue;
    const change = evidence.consent.change(start, floor.version)?.event;
    const what = `${start.process} began a ${start.effect} of ${start.subject} that version ${floor.version} forbids, after confirming it`;
    found.push({ rule: 'RE-CHECK', what, events: inOrder(change, floor.proof, start) });
  }
  return found;

  function confirmedBefore({ start }: Send): Floor<GateConfirmed> | undefined {
    const begun = processes.startAt(start.process, start.at)?.start;
    const floors = begun === undefined ? undefined : confirmed.get(begun)?.get(start);
    return floors && lastWhile(floors, ({ at }) => at < start.at - settings.clockResolutionMs);
  }
}
