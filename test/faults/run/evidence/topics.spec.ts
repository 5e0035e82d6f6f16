import { expect, test } from '@jest/globals';
import type { ForeignRecord } from '../../../e2e/foreign-client.ts';
import { eventsOf, strangeHeader } from './topics.ts';

const record = (more: Partial<ForeignRecord> = {}): ForeignRecord => ({
  ...{ topic: 'consent.revocations.v1', partition: 3, offset: 7n, key: '~watermark', timestamp: 1_000 },
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
