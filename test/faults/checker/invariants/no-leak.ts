import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { never } from '../evidence/intervals.ts';
import { unlawful } from '../evidence/pause.ts';
import type { Send } from '../evidence/sends.ts';
import { inOrder, milliseconds } from '../excerpt.ts';
import type { HistoryEvent } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * NO-LEAK: for every send starting at s there is an instant in [s − D, s] at which a version that allows it may have
 * been current. An answer at exactly s − D is not yet "more than D ago" (design.md §2 item 1). The end of the grant
 * itself is judged, more sharply, by EXPIRY.
 */
export const noLeak: Invariant = (evidence) => {
  const found: Violation[] = [];
  for (const send of evidence.sends) {
    const lawfulAt = (at: number): boolean => permittedWithin(evidence, send, at);
    if (lawfulAt(send.start.at)) continue;
    found.push(...unlawful(evidence, send, lawfulAt, () => leakOf(evidence, send)));
  }
  return [...found, ...aroundTheTap(evidence)];
};

function permittedWithin({ consent, settings }: Evidence, { start, destination }: Send, at: number): boolean {
  const from = at - settings.maxStalenessMs - settings.clockResolutionMs;
  return (
    consent.findCurrent(start, from, at, (change) => consent.permitsIn(change, destination, from, at)) !== undefined
  );
}

function leakOf(evidence: Evidence, send: Send): Violation {
  const { start, destination } = send;
  const why = whyDenied(evidence, send);
  const where = `${start.subject} to ${start.recipient} for ${destination.purpose}`;
  return {
    rule: 'NO-LEAK',
    what: `${start.effect} of ${where} ${why.sentence}`,
    events: inOrder(...why.events, start),
  };
}

/** The change that ended the permission and the answer that told of it; or that there never was one. */
function whyDenied(
  evidence: Evidence,
  { start, destination }: Send,
): { sentence: string; events: (HistoryEvent | undefined)[] } {
  const { consent } = evidence;
  const before = consent.currentIn(start, -never, start.at);
  const grant = before.find((change) => consent.permitsIn(change, destination, -never, start.at));
  if (!grant) {
    const newest = before[0]?.event;
    return { sentence: newest ? 'was never granted' : 'without any record', events: newest ? [newest] : [] };
  }
  const { replacedBy, version } = grant;
  if (!replacedBy || grant.until > start.at) {
    const closing = consent.closing(start.controller, destination, start.at);
    return { sentence: 'is closed by the catalogue', events: [closing?.event, closing?.answer] };
  }
  const answer = replacedBy.answers?.find(
    ({ subject, controller, version: answered }) =>
      subject === start.subject && controller === start.controller && answered > version,
  );
  const denying = answer && consent.change(start, answer.version);
  return {
    sentence: `began ${milliseconds(start.at - replacedBy.at)} after the withdrawal was answered`,
    events: denying ? [denying.event, replacedBy] : [replacedBy],
  };
}

/** A share that reached a partner and not through the tap: its start lies at most one attempt before its arrival. */
function aroundTheTap(evidence: Evidence): Violation[] {
  const { events, consent, settings, attempts } = evidence;
  if (events.of('egress.start').length === 0) return [];
  const found: Violation[] = [];
  for (const request of events.of('partner.request')) {
    if (request.effect !== 'share' || (request.attempt !== undefined && attempts.has(request.attempt))) continue;
    const from = request.at - settings.maxStalenessMs - settings.attemptTimeoutMs;
    for (const purpose of request.purposes) {
      const destination = { purpose, recipient: request.recipient };
      const current = consent.currentIn(request, from, request.at);
      if (current.some((change) => consent.permitsIn(change, destination, from, request.at))) continue;
      const what = `share of ${request.subject} for ${purpose} reached ${request.recipient} unseen by the egress tap`;
      found.push({ rule: 'NO-LEAK', what, events: [request] });
    }
  }
  return found;
}
