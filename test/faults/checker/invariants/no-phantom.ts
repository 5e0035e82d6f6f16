import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { inOrder } from '../excerpt.ts';
import type { HistoryEvent } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * NO-PHANTOM: every record in a topic, applied version, partner call, tracker row and ledger entry stands for a change
 * that committed, and not before it did.
 */
export const noPhantom: Invariant = (evidence) => {
  const found: Violation[] = [];
  const reported = new Set<string>();
  for (const [event, place] of claimsOf(evidence)) {
    const subject = { controller: event.controller, subject: event.subject };
    // Version 0 is a subject nothing was ever written for.
    if (event.version === 0) continue;
    const change = evidence.consent.change(subject, event.version);
    const early = change && event.at < change.from - evidence.settings.clockResolutionMs;
    if (change && !early && !change.event.lost) continue;
    const name = `${event.controller} ${event.subject} ${event.version} ${place}`;
    if (reported.has(name)) continue;
    reported.add(name);
    const fault = !change ? 'that never committed' : early ? 'before it committed' : 'of the timeline that was lost';
    const what = `${place} holds version ${event.version} of ${subject.subject} ${fault}`;
    found.push({ rule: 'NO-PHANTOM', what, events: inOrder(change?.event, event.evidence) });
  }
  return found;
};

interface Claim {
  readonly at: number;
  readonly controller: string;
  readonly subject: string;
  readonly version: number;
  readonly evidence: HistoryEvent;
}

function* claimsOf({ events }: Evidence): Generator<readonly [Claim, string]> {
  for (const record of events.of('topic.record')) {
    const { controller, version, aborted, at, key } = record;
    if (controller === undefined || version === undefined || aborted) continue;
    if (record.type !== 'change' && record.type !== 'enforcement') continue;
    yield [{ at, controller, subject: key, version, evidence: record }, record.topic];
  }
  for (const event of events.of('apply')) yield [claim(event), `store ${event.store}`];
  for (const event of events.of('store.state')) yield [claim(event), `store ${event.store}`];
  for (const event of events.of('tracker.row')) yield [claim(event), 'the tracker'];
  for (const event of events.of('db.ledger')) yield [claim(event), 'the ledger'];
  for (const event of events.of('db.state')) yield [claim(event), 'the state table'];
  for (const event of events.of('gate.confirmed')) yield [claim(event), `gate ${event.start}`];
  for (const event of events.of('partner.request')) {
    if (event.version !== undefined)
      yield [{ ...claim({ ...event, version: event.version }), evidence: event }, event.recipient];
  }
}

const claim = (event: Omit<Claim, 'evidence'> & HistoryEvent): Claim => ({
  at: event.at,
  controller: event.controller,
  subject: event.subject,
  version: event.version,
  evidence: event,
});
