import { expect, test } from '@jest/globals';
import type { ForeignRecord } from '../../../e2e/foreign-client.ts';
import { eventsOf as told, strangeHeader } from './topics.ts';
import { WrongClocks } from './wrong-clocks.ts';

const eventsOf = (record: ForeignRecord, epoch: number, clocks = new WrongClocks()) => told(record, epoch, clocks);

const record = (more: Partial<ForeignRecord> = {}): ForeignRecord => ({
  ...{ topic: 'consent.revocations.v1', partition: 3, offset: 7n, key: '~watermark', timestamp: 1_000, createdAt: 900 },
  ...{ headers: { ce_type: 'org.entente.relay.watermark.v1' }, value: '{"beats":[["a1",4]],"logEpoch":2}' },
  ...more,
});

test('what the nemesis wrote takes its offset and is nobody’s word, whatever it looks like', () => {
  const [mine] = eventsOf(record(), 0);
  expect(mine).toMatchObject({ type: 'watermark', offset: 7, beats: [['a1', 4]], logEpoch: 2 });
  const strange = record({ headers: { ...record().headers, [strangeHeader]: 'duplicate' } });
  const [other, ...more] = eventsOf(strange, 0);
  expect(other).toMatchObject({ kind: 'topic.record', type: 'other', offset: 7 });
  expect(other).not.toHaveProperty('beats');
  expect(more).toEqual([]);
  expect(eventsOf(record({ headers: { [strangeHeader]: 'poison' }, value: 'not JSON' }), 0)).toHaveLength(1);
});

test('GAP a log made anew is another one: its offsets begin anew in an epoch of their own', () => {
  expect(eventsOf(record(), 0)[0]).not.toHaveProperty('epoch');
  expect(eventsOf(record(), 2)[0]).toMatchObject({ epoch: 2 });
});

test('F12 a beat was sent when its gate says so, unless that gate’s clock was wrong', () => {
  const beat = record({
    ...{ topic: 'consent.gates.v1', headers: { ce_type: 'org.entente.gate.beat.v1' } },
    value: '{"gate":"crm-1","start":"a1","number":4}',
  });
  const clocks = new WrongClocks();
  const [right] = eventsOf(beat, 0, clocks);
  expect(right).toMatchObject({ type: 'beat', sentAt: expect.any(Number) });
  // Within 50 ms: the two clocks are read one after the other, and a busy machine may stand between.
  expect((right?.at ?? 0) - Number(Reflect.get(right ?? {}, 'sentAt'))).toBeCloseTo(100, -2);
  const end = clocks.begin('crm-1', (right?.at ?? 0) - 1_000);
  expect(eventsOf(beat, 0, clocks)[0]).not.toHaveProperty('sentAt');
  // Far enough back: the two clocks are read anew for each, and a busy machine may stand between.
  end((right?.at ?? 0) - 500);
  expect(eventsOf(beat, 0, clocks)[0]).toHaveProperty('sentAt');
});
