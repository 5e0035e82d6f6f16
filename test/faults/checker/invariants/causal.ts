import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { never } from '../evidence/intervals.ts';
import type { Operation } from '../evidence/operations.ts';
import { inOrder } from '../excerpt.ts';
import type { Violation } from '../violation.ts';

/**
 * CAUSAL: a share that carries version z is decided on state ≥ z or answered stale. Judged by what the gate says it
 * decided on, and where it says nothing by whether any version ≥ z committed by then explains the answer.
 */
export const causal: Invariant = (evidence) => [...answers(evidence), ...decisions(evidence)];

function answers(evidence: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const operation of evidence.operations.values()) {
    const { invoke, ok } = operation;
    const answer = ok?.share;
    if (!answer || invoke.atLeastVersion === undefined) continue;
    if (answer.outcome !== 'sent' && answer.outcome !== 'denied') continue;
    const older = answer.decidedOn !== undefined && answer.decidedOn < invoke.atLeastVersion;
    if (!older && (answer.decidedOn !== undefined || explained(evidence, operation, answer.outcome))) continue;
    const basis = older ? `on version ${answer.decidedOn}` : 'as no version from there on says';
    const what = `a share carrying version ${invoke.atLeastVersion} of ${invoke.subject} was decided ${basis}: ${answer.outcome}`;
    found.push({ rule: 'CAUSAL', what, events: inOrder(invoke, ok) });
  }
  return found;
}

function explained({ consent }: Evidence, { invoke, ok }: Operation, outcome: 'sent' | 'denied'): boolean {
  const { controller, subject, purpose, recipient, atLeastVersion } = invoke;
  if (!ok || subject === undefined || purpose === undefined || recipient === undefined) return true;
  const destination = { purpose, recipient };
  for (const change of consent.currentIn({ controller, subject }, -never, ok.at)) {
    if (change.version < (atLeastVersion ?? 0)) return false;
    const permitted = consent.permitsIn(change, destination, -never, ok.at);
    if (permitted === (outcome === 'sent')) return true;
    // Over by itself before it was asked: denied on the granting version too.
    if (permitted && (consent.grantOf(change, destination)?.validUntil ?? never) <= ok.at) return true;
  }
  return false;
}

function decisions({ events }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const decision of events.of('gate.decision')) {
    const { decision: decided, version, atLeastVersion, subject, process } = decision;
    if (decided === 'stale' || version === undefined || atLeastVersion === undefined) continue;
    if (version >= atLeastVersion) continue;
    const what = `${process} decided ${decided} for ${subject} on version ${version}, asked for ${atLeastVersion} or later`;
    found.push({ rule: 'CAUSAL', what, events: [decision] });
  }
  return found;
}
