import { BySubject } from '../evidence/by-subject.ts';
import type { Change } from '../evidence/consent-timeline.ts';
import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { firstWhere, never } from '../evidence/intervals.ts';
import { PartnerHoldings, succeeded } from '../evidence/partner-holdings.ts';
import { unlawful } from '../evidence/pause.ts';
import type { Send } from '../evidence/sends.ts';
import { permittedFrom } from '../evidence/strict-answers.ts';
import { settledStatuses, trackerKey } from '../evidence/tracker.ts';
import { inOrder } from '../excerpt.ts';
import type { HistoryEvent, PartnerRequest, TrackerRow } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * ACK-TRUTH: what the tracker says of a withdrawal at a recipient is so.
 * - accepted, confirmed: by then the partner had documented success for this or a later version, in a call begun after
 *   every send it concerns had ended (design.md §2 item 4); nothing it forbids is sent afterwards.
 * - nothing-to-do, never-shared: the partner holds nothing of what was withdrawn.
 * - superseded: something later had committed.
 * - gate closed: nothing it forbids starts afterwards.
 */
export const ackTruth: Invariant = (evidence) => {
  if (evidence.events.of('tracker.row').length === 0) return [];
  const sends = new BySubject<Send[]>();
  for (const send of evidence.sends) sends.entry(send.start, () => []).push(send);
  const holdings = new PartnerHoldings(evidence);
  const judged = new Set<string>();
  const found: Violation[] = [];
  for (const row of evidence.events.of('tracker.row')) {
    const change = evidence.consent.change(row, row.version);
    if (change?.event.direction !== 'deny') continue;
    const claim: Claim = { evidence, row, change, holdings, sends: sends.get(row) ?? noSends };
    const name = `${trackerKey(row)} `;
    if (row.gateClosedAt !== undefined && !judged.has(`${name}gate`)) {
      judged.add(`${name}gate`);
      found.push(...sentAfterGateClosed(claim, row.gateClosedAt));
    }
    if (!settledStatuses.has(row.status) || judged.has(name + row.status)) continue;
    judged.add(name + row.status);
    found.push(...settlement(claim));
  }
  return found;
};

interface Claim {
  readonly evidence: Evidence;
  readonly row: TrackerRow;
  readonly change: Change;
  readonly holdings: PartnerHoldings;
  /** Of this subject, to whomever. */
  readonly sends: readonly Send[];
}

const noSends: readonly Send[] = [];

const claimedAt = ({ row, evidence }: Claim): number =>
  (row.settledAt ?? row.at) + (row.errorMs ?? 0) + evidence.settings.clockResolutionMs;

/**
 * Sends this withdrawal forbids, which no later version committed by their start allows again: from those that may still
 * have been under way at its commit to those within D of the claim; what comes later is NO-LEAK's.
 */
function forbidden(claim: Claim): Send[] {
  const { evidence, change, sends, row } = claim;
  const { consent, settings } = evidence;
  const oldest = change.from - settings.attemptTimeoutMs - settings.maxStalenessMs;
  const newest = Math.max(claimedAt(claim), row.gateClosedAt ?? 0) + settings.maxStalenessMs;
  const found: Send[] = [];
  for (let at = firstWhere(sends, ({ start }) => start.at >= oldest); at < sends.length; at++) {
    const send = sends[at] as Send;
    if (send.start.at > newest) break;
    if (send.start.recipient !== row.recipient) continue;
    if (consent.grantOf(change, send.destination)) continue;
    if (!permittedFrom(evidence, send, change.version, send.start.at)) found.push(send);
  }
  return found;
}

function settlement(claim: Claim): Violation[] {
  switch (claim.row.status) {
    case 'accepted':
    case 'confirmed':
      return acceptance(claim);
    case 'nothing-to-do':
    case 'never-shared':
      return stillHeld(claim);
    case 'superseded':
      return supersession(claim);
    // It says nothing of the partner; that nothing more left is NO-LEAK's.
    case 'not-recalled':
    case 'waiting':
    case 'retrying':
    case 'parked':
      return [];
  }
}

function acceptance(claim: Claim): Violation[] {
  const { evidence, row, change, holdings } = claim;
  const at = claimedAt(claim);
  const calls = holdings
    .arrivedIn(row, change.from, at)
    .filter(({ effect }) => effect === 'revoke' || effect === 'erase');
  const successes = calls.filter((request) => {
    if (request.version !== undefined && request.version < row.version) return false;
    return succeeded(request) && (row.status !== 'confirmed' || (request.effectAt ?? request.at) <= at);
  });
  if (successes.length === 0) {
    return [untrue(claim, 'although the partner never accepted it', change.event, calls.at(-1))];
  }
  const against = forbidden(claim);
  const clean = successes.some((success) => against.every((send) => endedBefore(evidence, send, success)));
  if (clean) return stillHeld(claim);
  const last = successes.at(-1) as PartnerRequest;
  const overlapping = against.find((send) => !endedBefore(evidence, send, last));
  if (!overlapping) return [];
  const lawfulAt = (when: number): boolean => when < beganAt(evidence, last);
  return unlawful(evidence, overlapping, lawfulAt, () =>
    untrue(claim, 'although a send it forbids had not ended when that call began', last, overlapping.start),
  );
}

const beganAt = (evidence: Evidence, { attempt, at }: PartnerRequest): number =>
  (attempt === undefined ? undefined : evidence.attempts.get(attempt)?.[0]?.at) ?? at;

function endedBefore(evidence: Evidence, { start }: Send, success: PartnerRequest): boolean {
  const ended = evidence.attemptEnds.get(start.attempt)?.at;
  const end = ended ?? evidence.processes.endIn(start.process, start.at, never) ?? never;
  return end <= beganAt(evidence, success) + evidence.settings.clockResolutionMs;
}

function stillHeld(claim: Claim): Violation[] {
  const { evidence, row, change, holdings } = claim;
  const at = claimedAt(claim);
  for (const [purpose, share] of holdings.heldAt(row, at)) {
    const destination = { purpose, recipient: row.recipient };
    const allowed = evidence.consent.findCurrent(row, -never, at, (version) =>
      version.version < change.version ? null : evidence.consent.grantOf(version, destination) !== undefined,
    );
    if (!allowed) return [untrue(claim, `while the partner held ${purpose}`, change.event, share)];
  }
  return [];
}

function supersession(claim: Claim): Violation[] {
  const { evidence, row, change } = claim;
  const newest = evidence.consent.findCurrent(row, -never, claimedAt(claim), () => true);
  return newest && newest.version > row.version ? [] : [untrue(claim, 'by nothing', change.event)];
}

function sentAfterGateClosed(claim: Claim, closedAt: number): Violation[] {
  const { evidence, row, change } = claim;
  const limit = closedAt + (row.errorMs ?? 0) + evidence.settings.clockResolutionMs;
  const after = forbidden(claim).find(({ start }) => start.at > limit);
  if (!after) return [];
  return unlawful(
    evidence,
    after,
    (at) => at <= limit,
    () => {
      const what = `the gate for ${row.recipient} was called closed for version ${row.version} of ${row.subject} before a send it forbids`;
      return { rule: 'ACK-TRUTH', what, events: inOrder(change.event, after.start, row) };
    },
  );
}

function untrue({ row }: Claim, why: string, ...proof: readonly (HistoryEvent | undefined)[]): Violation {
  const what = `version ${row.version} of ${row.subject} at ${row.recipient} was called ${row.status} ${why}`;
  return { rule: 'ACK-TRUTH', what, events: inOrder(...proof, row) };
}
