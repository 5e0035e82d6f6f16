import { createMetrics, ManualClock } from '@entente/observability';
import { expect, test } from '@jest/globals';
import { GateMetrics } from './gate-metrics.ts';
import { unknownPartition, type PartitionState } from './step/gate-step.ts';
import { crm } from './testing/consent-fixtures.ts';

test('F10 a partition that an unreadable record has closed is stale, although it hears every watermark', async () => {
  const [metrics, clock] = [createMetrics(), new ManualClock()];
  let partitions: readonly PartitionState[] = [];
  new GateMetrics([crm], metrics, clock, () => partitions);
  clock.advance(60_000);
  const heard = { wall: clock.now(), monotonic: clock.monotonic() };
  const staleness = async () =>
    Number(/^consent_gate_staleness_seconds\{.*\} (.*)$/m.exec(await metrics.text())?.[1] ?? Number.NaN);
  partitions = [{ ...unknownPartition, heard }];
  expect(await staleness()).toBe(0);
  partitions = [...partitions, { ...unknownPartition, heard, closed: true }];
  expect(await staleness()).toBe(60);
});
