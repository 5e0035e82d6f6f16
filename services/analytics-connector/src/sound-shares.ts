import {
  shareInOneRequest,
  type Answer,
  type Outcome,
  type PartnerContext,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { HttpRequest, Shareable } from '@entente/gate';

/** How shares become one request, and what its answer says of each of them. */
export interface SoundShares {
  /** Why an item cannot be sent as it is; undefined when it can. */
  fault(item: ShareItem): string | undefined;
  build(items: readonly ShareItem[]): HttpRequest;
  /** One outcome per item, in the same order. */
  read(answer: Answer, items: readonly ShareItem[]): readonly Outcome[];
}

/**
 * For partners that say yes to what they then drop: an unsound item is found when the gate has opened it and before a byte
 * is written. It stays out of the request; where nothing else was in it, nothing leaves. One outcome per item, in order.
 */
export async function shareSound(
  items: Shareable<ShareItem>[],
  { egress, signal }: Pick<PartnerContext<object>, 'egress' | 'signal'>,
  shares: SoundShares,
): Promise<ShareOutcome[]> {
  const isSound = (item: ShareItem): boolean => shares.fault(item) === undefined;
  try {
    return await shareInOneRequest(
      egress,
      items,
      (allowed) => {
        const sound = allowed.filter(isSound);
        if (sound.length === 0) throw new NothingSound(allowed.map((item) => shares.fault(item) ?? ''));
        return shares.build(sound);
      },
      (answer, allowed) => {
        const outcomes = new Map<ShareItem, Outcome>();
        const sound = allowed.filter(isSound);
        const read = shares.read(answer, sound);
        sound.forEach((item, index) => outcomes.set(item, read[index] ?? { kind: 'unclear', why: 'no-outcome' }));
        return allowed.map((item) => outcomes.get(item) ?? { kind: 'refused', why: shares.fault(item) ?? '' });
      },
      signal,
    );
  } catch (error) {
    if (!(error instanceof NothingSound)) throw error;
    const [why = ''] = error.faults;
    if (items.length === 1) return [{ kind: 'refused', why }];
    // Those the gate denied are not unsound: each is asked about on its own.
    const singly: ShareOutcome[] = [];
    for (const item of items) singly.push(...(await shareSound([item], { egress, signal }, shares)));
    return singly;
  }
}

/** Thrown before anything is written. */
class NothingSound extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super('no share of the request can be sent as it is');
    this.faults = faults;
  }
}
