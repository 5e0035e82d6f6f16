import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FairQueue } from './fair-queue.ts';

const place = (lane: string, key: string) => ({ lane, key });

describe('nobody’s burst stands in another’s way', () => {
  test('a subject with thousands of requests: others come before its second portion', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 5_000; index += 1) queue.push(place('acme', 'busy'), `busy-${index}`);
    queue.push(place('acme', 'one'), 'one');
    const { items } = queue.take(200);
    expect(items).toContain('one');
    expect(items.filter((item) => item.startsWith('busy'))).toEqual(Array.from({ length: 20 }, (_, i) => `busy-${i}`));
  });

  test('it is in one transaction at a time', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 50; index += 1) queue.push(place('acme', 'busy'), `busy-${index}`);
    const first = queue.take(200);
    expect(queue.take(200).items).toEqual([]);
    expect(queue.heads()).toEqual([]);
    first.release();
    expect(queue.heads()).toEqual(['busy-20']);
    expect(queue.take(200).items[0]).toBe('busy-20');
  });

  test('a controller with thousands of people: another one gets its share of each transaction', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 5_000; index += 1) queue.push(place('flood', `person-${index}`), 'flood');
    for (let index = 0; index < 30; index += 1) queue.push(place('acme', `person-${index}`), 'acme');
    expect(queue.take(200).items.filter((item) => item === 'acme')).toHaveLength(30);
    expect([queue.sizeOf('flood'), queue.sizeOf('acme')]).toEqual([4_830, 0]);
  });

  test('with less room than a turn they alternate', () => {
    const queue = new FairQueue<string>();
    for (const lane of ['a', 'b', 'c']) for (const key of ['1', '2']) queue.push(place(lane, key), `${lane}${key}`);
    expect(Array.from({ length: 6 }, () => queue.take(1).items[0]?.[0]).join('')).toBe('abcabc');
  });
});

test('nothing is lost or taken twice, and a subject’s requests keep their order (REC-2)', () => {
  const request = fc.record({ lane: fc.constantFrom('a', 'b'), key: fc.constantFrom('1', '2', '3') });
  const step = fc.oneof({ weight: 3, arbitrary: request }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 30 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new FairQueue<string>();
      const pushed: string[] = [];
      const taken: string[] = [];
      const open: { release(): void }[] = [];
      for (const each of [...steps, 30, 30]) {
        if (typeof each !== 'number') {
          pushed.push(`${each.lane}${each.key}/${pushed.length}`);
          queue.push(each, pushed.at(-1)!);
          continue;
        }
        const batch = queue.take(each);
        expect(batch.items.length).toBeLessThanOrEqual(each);
        taken.push(...batch.items);
        open.push(batch);
        if (open.length > 2) open.shift()?.release();
      }
      for (const batch of open) batch.release();
      while (queue.size > 0) {
        const batch = queue.take(30);
        taken.push(...batch.items);
        batch.release();
      }
      const of = (items: readonly string[]) => Object.groupBy(items, (item) => item.split('/')[0]!);
      expect(of(taken)).toEqual(of(pushed));
    }),
  );
});
