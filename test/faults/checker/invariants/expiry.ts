import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { never } from '../evidence/intervals.ts';
import { unlawful } from '../evidence/pause.ts';
import type { Send } from '../evidence/sends.ts';
import { inOrder, milliseconds } from '../excerpt.ts';
import type { DbChange } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * EXPIRY: no send starts later than `validUntil` + e, with no event needed. Only a send that some grant would have
 * covered is judged here; one that none covered is NO-LEAK's.
 */
export const expiry: Invariant = (evidence) => {
  const found: Violation[] = [];
  for (const send of evidence.sends) {
    const { start, destination } = send;
    const lawfulAt = (at: number): boolean => expiredGrant(evidence, send, at) === undefined;
    const grant = expiredGrant(evidence, send, start.at);
    if (!grant) continue;
    const after = milliseconds(start.at - grant.validUntil);
    const what = `${start.effect} of ${start.subject} to ${start.recipient} for ${destination.purpose} began ${after} after the grant had ended`;
    found.push(
      ...unlawful(evidence, send, lawfulAt, () => ({ rule: 'EXPIRY', what, events: inOrder(grant.event, start) })),
    );
  }
  return found;
};

/** The longest of the grants that may have covered the send, if every one of them had ended. */
function expiredGrant(
  { consent, settings }: Evidence,
  { start, destination }: Send,
  at: number,
): { readonly event: DbChange; readonly validUntil: number } | undefined {
  const from = at - settings.maxStalenessMs - settings.clockResolutionMs;
  let longest: { event: DbChange; validUntil: number } | undefined;
  const alive = consent.findCurrent(start, from, at, (change) => {
    if (!consent.permitsIn(change, destination, from, at)) return false;
    const validUntil = consent.grantOf(change, destination)?.validUntil ?? never;
    if (at <= validUntil + settings.slackMs) return true;
    if (!longest || validUntil > longest.validUntil) longest = { event: change.event, validUntil };
    return false;
  });
  return alive ? undefined : longest;
}
