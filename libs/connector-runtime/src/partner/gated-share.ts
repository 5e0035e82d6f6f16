import type { HttpRequest, Shareable } from '@entente/gate';
import { judged, type Answer } from './answer.ts';
import type { GatedEgress, ShareOutcome } from './definition.ts';
import type { Outcome } from './outcome.ts';

/** What an answer says about each of the items that were in the request, in their order. */
type ItemOutcomes = readonly Outcome[];

/**
 * One gated request for many items: builds it from those the gate allows in the tick of the write, and gives every item
 * its outcome. `read` judges a whole answer for the items that were in it.
 */
export async function shareInOneRequest<T>(
  egress: GatedEgress,
  items: Shareable<T>[],
  build: (allowed: T[]) => HttpRequest,
  read: (answer: Answer, sent: readonly T[]) => ItemOutcomes,
  signal: AbortSignal,
): Promise<ShareOutcome[]> {
  let inRequest: T[] = [];
  const { allowed, refused, sent } = await egress.share(
    items,
    (payloads) => {
      inRequest = payloads;
      return build(payloads);
    },
    { signal },
  );
  const outcomes = new Map<Shareable<T>, ShareOutcome>();
  for (const { item, decision } of refused)
    outcomes.set(item, { kind: denialKind(decision.kind), reason: decision.reason });
  if (sent !== null) {
    let perItem: ItemOutcomes | undefined;
    const whole = judged(sent, (answer) => {
      perItem = read(answer, inRequest);
      return { kind: 'applied' };
    });
    allowed.forEach((item, index) => outcomes.set(item, shareOutcome(perItem?.[index] ?? whole)));
  }
  return items.map((item) => outcomes.get(item) ?? { kind: 'unclear', why: 'no-outcome' });
}

const denialKind = (kind: 'deny' | 'stale'): 'denied' | 'stale' => (kind === 'deny' ? 'denied' : 'stale');

/** For a share it is enough that the partner took it, or had nothing to take. */
const shareOutcome = (outcome: Outcome): ShareOutcome =>
  outcome.kind === 'applied' || outcome.kind === 'nothing-to-do' ? { kind: 'sent' } : outcome;
