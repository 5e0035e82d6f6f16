import type { PartnerLimits } from '../partner/definition.ts';
import type { ShareRequest } from './share-request.ts';

interface Batchable {
  readonly request: Pick<ShareRequest, 'purpose' | 'subjectKey'>;
  readonly bytes: number;
}

/** Around each item's fields: identifiers, names, the stamp. */
const envelopeBytes = 600;

/**
 * Everybody's first, then everybody's second, and so on, each in the order of arrival: one person's thousands stand behind the
 * others' few.
 */
function inTurns<S extends Batchable>(queue: readonly S[]): S[] {
  const turns: S[][] = [];
  const had = new Map<string, number>();
  for (const share of queue) {
    const { subjectKey } = share.request;
    const turn = had.get(subjectKey) ?? 0;
    had.set(subjectKey, turn + 1);
    (turns[turn] ??= []).push(share);
  }
  return turns.flat();
}

/** The next batch a partner takes in one request, in turns, and what is left in its order. */
export function nextBatch<S extends Batchable>(
  queue: readonly S[],
  { limits, shareBy }: { readonly limits: PartnerLimits; readonly shareBy: 'recipient' | 'purpose' },
): { batch: S[]; rest: S[] } {
  const batch: S[] = [];
  let bytes = 0;
  for (const share of inTurns(queue)) {
    if (batch.length >= limits.shareBatch) break;
    const fits = batch.length === 0 || bytes + share.bytes + envelopeBytes <= (limits.shareBytes ?? Infinity);
    const alike = shareBy === 'recipient' || (batch[0] ?? share).request.purpose === share.request.purpose;
    if (!fits || !alike) continue;
    batch.push(share);
    bytes += share.bytes + envelopeBytes;
  }
  const taken = new Set(batch);
  return { batch, rest: queue.filter((share) => !taken.has(share)) };
}
