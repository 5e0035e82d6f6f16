import { expect, test } from '@jest/globals';
import { recipientId } from '@entente/contracts';
import type { ConsumerState } from '@entente/kafka';
import { createMetrics, ManualClock } from '@entente/observability';
import { collectConsumers } from './consumer-gauges.ts';

const idle: ConsumerState = {
  running: true,
  epoch: 1,
  assigned: [],
  msSinceFetch: null,
  msSinceHeartbeat: 0,
  rebalances: 0,
  rebuilds: 0,
  partitions: [],
};
const partition = { partition: 0, position: 1n, highWatermark: 8n, lag: 7n, buffered: 0, paused: false, failures: 0 };

test('a consumer that heartbeats but fetches nothing more grows old, though its lag stands still (kafkajs#1431)', async () => {
  const clock = new ManualClock();
  const began = clock.now() / 1000;
  const metrics = createMetrics();
  const states: Record<string, ConsumerState> = {
    dead: { ...idle, rebalances: 1, partitions: [{ topic: 'dead', ...partition }] },
    alive: { ...idle, msSinceFetch: 0 },
  };
  const sources = new Map(Object.keys(states).map((topic) => [topic, { state: () => states[topic] ?? idle }]));
  collectConsumers(metrics, clock, sources, [recipientId('a')]);
  const progress = async (): Promise<number> =>
    Number(/last_progress_timestamp_seconds\{connector="a"\} (\S+)/.exec(await metrics.text())?.[1]);

  expect(await progress()).toBe(began);
  clock.advance(30_000);
  expect(await progress()).toBe(began);
  // Its client is built anew and fetches; then it is lost once more, and what was last heard of it counts.
  states['dead'] = { ...idle, msSinceFetch: 10_000, rebalances: 2 };
  expect(await progress()).toBe(began + 20);
  states['dead'] = { ...idle, rebalances: 2 };
  clock.advance(30_000);
  expect(await progress()).toBe(began + 20);
  expect(await metrics.text()).toContain('consent_rebalances_total{connector="a"} 2');
});

test('lag is told by topic', async () => {
  const metrics = createMetrics();
  const state: ConsumerState = {
    ...idle,
    partitions: [
      { topic: 't', ...partition },
      { topic: 't', ...partition, lag: null },
    ],
  };
  collectConsumers(metrics, new ManualClock(), new Map([['t', { state: () => state }]]), [recipientId('a')]);
  expect(await metrics.text()).toContain('consent_consumer_lag_messages{connector="a",topic="t"} 7');
});
