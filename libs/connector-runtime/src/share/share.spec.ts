import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import type { PartnerLimits } from '../partner/definition.ts';
import { nextBatch } from './batching.ts';
import { permittedFields } from './share-intake.ts';
import { ExposureWindows } from './windows.ts';

const limits: PartnerLimits = { shareBatch: 3, revokeBatch: 1, concurrency: 1, calls: 1, perMs: 1 };
let people = 0;
const someone = () => subjectKey(`k1.${String((people += 1)).padStart(22, 'A')}`);
const share = (purpose: string, bytes = 10, person = someone()) => ({
  request: { purpose: purposeId(purpose), subjectKey: person },
  bytes,
});

describe('batches', () => {
  test('as many as the partner takes, oldest first', () => {
    const queue = ['a', 'b', 'a', 'a'].map((purpose) => share(purpose));
    const { batch, rest } = nextBatch(queue, { limits, shareBy: 'recipient' });
    expect([batch, rest]).toEqual([queue.slice(0, 3), queue.slice(3)]);
  });

  test('one person’s thousands stand behind the others’ few, in their own order', () => {
    const busy = someone();
    const burst = Array.from({ length: 2_000 }, () => share('a', 10, busy));
    const [first, second] = [share('a'), share('a')];
    const { batch, rest } = nextBatch([...burst, first, second], { limits, shareBy: 'recipient' });
    expect(batch).toEqual([burst[0], first, second]);
    expect(rest).toEqual(burst.slice(1));
  });

  test('one purpose each where the partner wants that', () => {
    const { batch, rest } = nextBatch([share('a'), share('b'), share('a')], { limits, shareBy: 'purpose' });
    expect(batch.map(({ request }) => request.purpose)).toEqual(['a', 'a']);
    expect(rest.map(({ request }) => request.purpose)).toEqual(['b']);
  });

  test('never above the partner’s body limit, yet at least one', () => {
    const queue = [share('a', 5_000), share('a', 5_000)];
    expect(nextBatch(queue, { limits: { ...limits, shareBytes: 6_000 }, shareBy: 'recipient' }).batch).toHaveLength(1);
  });
});

test('MINIMAL: only fields the purpose lists leave, the rest is counted', () => {
  expect(permittedFields({ plan: 'free', iban: 'x' }, ['plan'])).toEqual({ fields: { plan: 'free' }, stripped: 1 });
});

describe('SHR-1: windows of this process', () => {
  const person = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');

  test('a deny makes the next share meet its row again, and closes what is known to have landed', () => {
    const windows = new ExposureWindows();
    windows.takeOff(person);
    windows.opened(person, 10_000, 77_000);
    windows.cover(person, 'ads x', 10_000);
    windows.landed(person, true, 10_000, 50);
    expect(windows.endOf(person, 'ads x')).toBe(10_000);
    expect(windows.denied(person, 100)).toBe(77_000);
    expect(windows.endOf(person, 'ads x')).toBe(0);
  });

  test('what is still on its way closes when it has landed', () => {
    const windows = new ExposureWindows();
    windows.takeOff(person);
    windows.opened(person, 10_000, 77_000);
    expect(windows.denied(person, 100)).toBeNull();
    expect(windows.landed(person, true, 10_000, 200)).toBe(77_000);
  });

  test('after an attempt without a clean answer the window runs out by itself', () => {
    const windows = new ExposureWindows();
    windows.takeOff(person);
    windows.opened(person, 10_000, 77_000);
    windows.landed(person, false, 10_000, 50);
    expect(windows.denied(person, 100)).toBeNull();
  });

  test('a window written after a partial deny covers nothing once it is given up for closing', () => {
    const windows = new ExposureWindows();
    windows.takeOff(person);
    windows.opened(person, 10_000, 77_000);
    expect(windows.denied(person, 100)).toBeNull();
    windows.takeOff(person);
    windows.opened(person, 10_200, 77_200);
    windows.cover(person, 'mail x', 10_200);
    expect(windows.landed(person, true, 10_000, 300)).toBeNull();
    expect(windows.endOf(person, 'mail x')).toBe(10_200);
    expect(windows.landed(person, true, 10_200, 400)).toBe(77_200);
    expect(windows.endOf(person, 'mail x')).toBe(0);
  });

  test('a share that goes on after the deny and is still on its way keeps every window', () => {
    const windows = new ExposureWindows();
    windows.takeOff(person);
    windows.opened(person, 10_000, 77_000);
    windows.landed(person, true, 10_000, 50);
    expect(windows.denied(person, 100)).toBe(77_000);
    windows.takeOff(person);
    windows.opened(person, 10_200, 77_200);
    expect(windows.denied(person, 250)).toBeNull();
  });
});
