import { expect, test } from '@jest/globals';
import { controllerId, decodeEvent, purposeId, recipientId, subjectKey, type SharesSent } from '@entente/contracts';
import type { SendAudit } from '@entente/gate';
import type { EventPublisher, OutRecord } from '@entente/kafka';
import { createLogger, createMetrics, systemClock } from '@entente/observability';
import { EgressRecords } from './egress-records.ts';

const meta = recipientId('meta-ads');
const sentAt = (number: number): SendAudit => ({
  recipient: meta,
  purpose: purposeId('personalised-ads'),
  subjectKey: subjectKey(`k1.${String(number).padStart(22, '0')}`),
  version: number + 1,
  at: { wall: Date.parse('2026-11-22T12:00:00.000Z') + number, monotonic: number },
  deadline: number + 1_000,
});

function recording(available: () => boolean) {
  const published: SharesSent[] = [];
  const publisher: Pick<EventPublisher, 'publish'> = {
    publish: (records: readonly OutRecord[]) => {
      const [first] = records;
      const place = { topic: first?.topic ?? '', partition: first?.partition ?? 0 };
      if (!available()) return Promise.resolve([{ ...place, ok: false as const, error: new Error('away') }]);
      for (const { headers, value } of records)
        published.push(decodeEvent(headers as Record<string, string>, value).data as SharesSent);
      return Promise.resolve([{ ...place, ok: true as const, baseOffset: 0n, count: records.length }]);
    },
  };
  const metrics = createMetrics();
  const records = new EgressRecords({
    controller: controllerId('acme'),
    gate: 'ad-partner-connector-1',
    recipients: [meta],
    publisher: publisher as EventPublisher,
    clock: systemClock,
    log: createLogger({ service: 'test', level: 'silent' }),
    metrics,
    measured: () => ({ offsetMs: 250, errorMs: 2 }),
  });
  return { records, published, metrics };
}

test('items of one moment travel in one record, in database time', async () => {
  const { records, published } = recording(() => true);
  for (const number of [0, 1, 2]) records.wrote(sentAt(number));
  await records.stop();
  expect(published).toHaveLength(1);
  expect(published[0]).toMatchObject({ recipient: 'meta-ads', gate: 'ad-partner-connector-1', clockErrorMs: 2 });
  expect(published[0]!.sends.map(({ version, at }) => [version, at])).toEqual([
    [1, '2026-11-22T11:59:59.750Z'],
    [2, '2026-11-22T11:59:59.751Z'],
    [3, '2026-11-22T11:59:59.752Z'],
  ]);
});

test('while Kafka is away nothing is lost until too much waits; what is lost is counted', async () => {
  let available = false;
  const { records, published, metrics } = recording(() => available);
  for (let number = 0; number < 50_002; number += 1) records.wrote(sentAt(number));
  await records.stop();
  expect(published).toEqual([]);
  available = true;
  await records.stop();
  expect(published.reduce((sum, { sends }) => sum + sends.length, 0)).toBe(50_000);
  expect(Math.max(...published.map(({ sends }) => sends.length))).toBe(1_000);
  expect(await metrics.text()).toContain('consent_egress_records_dropped_total{connector="meta-ads"} 2');
});
