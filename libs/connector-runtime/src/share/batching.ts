import type { PartnerLimits } from '../partner/definition.ts';
import type { ShareRequest } from './share-request.ts';

interface Batchable {
  readonly request: Pick<ShareRequest, 'purpose'>;
  readonly bytes: number;
}

/** Around each item's fields: identifiers, names, the stamp. */
const envelopeBytes = 600;

/** The next batch a partner takes in one request, oldest first, and what is left. */
export function nextBatch<S extends Batchable>(
  queue: readonly S[],
  { limits, shareBy }: { readonly limits: PartnerLimits; readonly shareBy: 'recipient' | 'purpose' },
): { batch: S[]; rest: S[] } {
  const batch: S[] = [];
  const rest: S[] = [];
  let bytes = 0;
  for (const share of queue) {
    const fits = batch.length === 0 || bytes + share.bytes + envelopeBytes <= (limits.shareBytes ?? Infinity);
    const alike = shareBy === 'recipient' || (batch[0] ?? share).request.purpose === share.request.purpose;
    if (batch.length < limits.shareBatch && fits && alike) {
      batch.push(share);
      bytes += share.bytes + envelopeBytes;
    } else rest.push(share);
  }
  return { batch, rest };
}
