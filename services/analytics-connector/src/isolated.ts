import { halves, type Outcome, type ShareOutcome } from '@entente/connector-runtime';

/** What a partner says that refuses a whole request because of one row in it, without telling which. */
export const rejectedBatch = { kind: 'refused', why: 'invalid-identifier' } as const;

const isRejected = (outcome: Outcome | ShareOutcome | undefined): boolean =>
  outcome?.kind === 'refused' && outcome.why === rejectedBatch.why;

/**
 * For requests that are all or nothing: what was refused together goes again in halves, until the row behind it stands
 * alone and blocks no other. One outcome per item, in the same order.
 */
export async function isolated<T, O extends Outcome | ShareOutcome>(
  items: readonly T[],
  send: (items: T[]) => Promise<O[]>,
): Promise<O[]> {
  const outcomes = await send([...items]);
  const rejected = items.filter((_, index) => isRejected(outcomes[index]));
  if (rejected.length < 2) return outcomes;
  const repeated: O[] = [];
  for (const half of halves(rejected)) repeated.push(...(await isolated(half, send)));
  const again = new Map(rejected.map((item, index) => [item, repeated[index]]));
  return outcomes.map((outcome, index) => again.get(items[index] as T) ?? outcome);
}
