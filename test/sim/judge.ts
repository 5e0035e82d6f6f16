import { takeovers } from './takeover.ts';
import { check, isBroken, type History, type Violation } from '../faults/checker/index.ts';

/**
 * A connector whose database lost its newest rows does not know what it has asked of a partner since, and asks again for the
 * older: that takes away once more and gives nothing (ADR 25).
 */
function askedAgainAfterLoss({ rule, events }: Violation, losses: readonly number[]): boolean {
  const [first, last] = [events.at(0), events.at(-1)];
  if (rule !== 'FENCE' || first === undefined || last === undefined) return false;
  return losses.some((at) => at >= first.at - longestCallMs && at <= last.at);
}

/** A call may have been sent this long before it arrives at the partner. */
const longestCallMs = 5_000;

/** What is broken in a run's history. */
export function judge(history: History): Violation[] {
  const losses = history.events.flatMap((event) =>
    event.kind === 'store' && event.what === 'emptied' && event.store.startsWith('deliveries:') ? [event.at] : [],
  );
  return [...check(history), ...takeovers(history)].filter(
    (violation) => isBroken(violation) && !askedAgainAfterLoss(violation, losses),
  );
}
