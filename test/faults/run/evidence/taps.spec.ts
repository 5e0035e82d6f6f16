import { expect, test } from '@jest/globals';
import { TapRecord } from './taps.ts';

const passed = (at: number, lateMs = 0) => ({ at, lateMs, endedAt: Infinity, names: [], isShare: true });

test('a partner’s request is the newest that can have come by then on its port, and each is given out once', () => {
  const record = new TapRecord();
  record.add(7, passed(10));
  record.add(7, passed(20));
  record.add(8, passed(19));
  expect(record.take(7, 21)).toMatchObject({ at: 20 });
  expect(record.take(7, 12)).toMatchObject({ at: 10 });
  expect(record.take(7, 30)).toBeUndefined();
  expect(record.left()).toMatchObject([{ at: 19 }]);
});

test('a tap that noticed the next request late does not give it to the one before', () => {
  const record = new TapRecord();
  record.add(7, passed(20, 6));
  record.add(7, passed(25, 6));
  expect(record.take(7, 21)).toMatchObject({ at: 20 });
  expect(record.take(7, 26)).toMatchObject({ at: 25 });
});

test('of two taps’ requests on one port the later is the one that reached the partner', () => {
  const [before, now] = [new TapRecord(), new TapRecord()];
  before.add(7, passed(5));
  now.add(7, passed(20));
  expect([before.newest(7, 21), now.newest(7, 21), now.newest(7, 19), now.newest(8, 21)]).toEqual([
    5,
    20,
    -Infinity,
    -Infinity,
  ]);
});
