import { BySubject } from '../evidence/by-subject.ts';
import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { entry } from '../evidence/intervals.ts';
import { inOrder } from '../excerpt.ts';
import type { PartnerRequest } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * EFFECT-ONCE, on the partner's effects without its own duplicates. Where a partner takes a key, the retries of one
 * share carry one key and one body. A revocation may be sent again by rule (DLV-3), so there a second effect counts only
 * when it changed something although nothing had been put back in between.
 */
export const effectOnce: Invariant = (evidence) => [...keyed(evidence), ...revokedTwice(evidence)];

function keyed({ events }: Evidence): Violation[] {
  const byKey = new Map<string, Map<string, PartnerRequest>>();
  const byRequest = new BySubject<Map<string, PartnerRequest[]>>();
  const found: Violation[] = [];
  for (const request of events.of('partner.request')) {
    if (request.key === undefined) continue;
    const first = entry(
      entry(byKey, request.recipient, () => new Map<string, PartnerRequest>()),
      request.key,
      () => request,
    );
    if (first.bodyDigest !== request.bodyDigest) {
      const what = `${request.recipient} got key ${request.key} with another body`;
      found.push({ rule: 'EFFECT-ONCE', what, events: inOrder(first, request) });
    }
    if (request.effect !== 'share' || request.request === undefined || request.effectAt === undefined) continue;
    if (request.changed === false) continue;
    const shared = `${request.recipient} ${request.request} ${request.purposes.join()}`;
    entry(
      byRequest.entry(request, () => new Map<string, PartnerRequest[]>()),
      shared,
      () => [],
    ).push(request);
  }
  for (const requests of [...byRequest.values()].flatMap((ofSubject) => [...ofSubject.values()])) {
    const [first] = requests;
    const second = requests.find(({ key }) => key !== first?.key);
    if (!first || !second) continue;
    const what = `share ${first.request} took effect at ${first.recipient} under two keys`;
    found.push({ rule: 'EFFECT-ONCE', what, events: inOrder(first, second) });
  }
  return found;
}

function revokedTwice({ events }: Evidence): Violation[] {
  const effects = events
    .of('partner.request')
    .filter(({ effectAt }) => effectAt !== undefined)
    .sort((a, b) => (a.effectAt ?? 0) - (b.effectAt ?? 0));
  const removed = new BySubject<Map<string, PartnerRequest>>();
  const found: Violation[] = [];
  for (const request of effects) {
    const atRecipient = removed.entry(request, () => new Map());
    if (request.effect === 'share' || request.effect === 'reinstate') {
      atRecipient.delete(request.recipient);
      continue;
    }
    if (request.changed !== true) continue;
    const before = atRecipient.get(request.recipient);
    atRecipient.set(request.recipient, request);
    if (!before || !sameCall(before, request)) continue;
    const what = `${request.effect} of version ${request.version} had an effect twice at ${request.recipient}`;
    found.push({ rule: 'EFFECT-ONCE', what, events: inOrder(before, request) });
  }
  return found;
}

/** One plan may need several calls (purposes, identifiers); those are not repetitions of each other. */
const sameCall = (one: PartnerRequest, other: PartnerRequest): boolean =>
  one.version === other.version &&
  one.effect === other.effect &&
  one.bodyDigest === other.bodyDigest &&
  one.purposes.join() === other.purposes.join();
