import { topics, type RecipientId } from '@entente/contracts';
import type { TP } from '@entente/kafka';
import type { Metrics } from '@entente/observability';
import type { DecodedBatch } from './decode-batch.ts';

/**
 * t3 − t2. A deny travels twice (REC-6); it is measured on the express lane, which it is promised on, and a grant on the
 * complete log. The broker's clock and ours may differ: what comes out negative counts as 0, and is counted.
 */
export function measureArrival(
  { topic }: TP,
  { changes, appendedAt, traceparents }: Pick<DecodedBatch, 'changes' | 'appendedAt' | 'traceparents'>,
  enteredAt: number,
  recipients: readonly RecipientId[],
  metrics: Metrics,
): void {
  for (const [index, { direction, recipients: concerned }] of changes.entries()) {
    const lane = direction === 'deny' ? topics.revocations : topics.changes;
    const appended = appendedAt[index];
    if (topic !== lane || appended === undefined) continue;
    const delayMs = enteredAt - appended;
    if (delayMs < 0) metrics.counter('consent_negative_duration_total').inc({ stage: 't3-t2' });
    const change = direction === 'deny' ? 'revoke' : 'grant';
    for (const connector of recipients)
      if (concerned.includes(connector))
        metrics
          .histogram('consent_consume_delay_seconds')
          .observeIn(traceparents[index], Math.max(0, delayMs) / 1000, { connector, change });
  }
}
