import { expect, test } from '@jest/globals';
import { recipientId, topics } from '@entente/contracts';
import { createMetrics } from '@entente/observability';
import { measureArrival } from './arrival.ts';
import type { DecodedBatch } from './decode-batch.ts';

const [ours, theirs] = [recipientId('ours'), recipientId('theirs')];
const change = (direction: 'deny' | 'grant'): DecodedBatch['changes'][number] =>
  ({ direction, recipients: [ours, theirs] }) as Partial<
    DecodedBatch['changes'][number]
  > as DecodedBatch['changes'][number];

test.each([
  ['deny', topics.revocations, 'revoke', 1],
  ['deny', topics.changes, 'revoke', 0],
  ['grant', topics.changes, 'grant', 1],
] as const)('a %s on %s counts as %s %i times (REC-6)', async (direction, topic, label, times) => {
  const metrics = createMetrics();
  measureArrival(
    { topic, partition: 0 },
    { changes: [change(direction)], appendedAt: [1_000], traceparents: [undefined] },
    1_040,
    [ours],
    metrics,
  );
  const text = await metrics.text();
  const counted = `consent_consume_delay_seconds_bucket{le="0.05",connector="ours",change="${label}"} 1`;
  expect(text.includes(counted)).toBe(times === 1);
  expect(text).not.toContain('theirs');
});

test('a broker whose clock is ahead gives no negative delay, and is counted (TWO CLOCKS)', async () => {
  const metrics = createMetrics();
  const batch = { changes: [change('deny')], appendedAt: [1_000], traceparents: [undefined] };
  measureArrival({ topic: topics.revocations, partition: 0 }, batch, 990, [ours], metrics);
  const text = await metrics.text();
  expect(text).toContain('consent_negative_duration_total{stage="t3-t2"} 1');
  expect(text).toContain('consent_consume_delay_seconds_sum{connector="ours",change="revoke"} 0');
});
