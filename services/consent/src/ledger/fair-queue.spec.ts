import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FairQueue, type Taken } from './fair-queue.ts';

const place = (lane: string, key: string) => ({ lane, key });
const itemsOf = <T>({ subjects }: Taken<T>): T[] => subjects.flatMap(({ items }) => items);
const giveBack = ({ subjects }: Taken<unknown>): void => subjects.forEach(({ release }) => release());

describe('nobody’s burst stands in another’s way', () => {
  test('a subject with thousands of requests: others come before its second portion', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 5_000; index += 1) queue.push(place('acme', 'busy'), `busy-${index}`);
    queue.push(place('acme', 'one'), 'one');
    const items = itemsOf(queue.take(200));
    expect(items).toContain('one');
    expect(items.filter((item) => item.startsWith('busy'))).toEqual(Array.from({ length: 20 }, (_, i) => `busy-${i}`));
  });

  test('it is in one transaction at a time', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 50; index += 1) queue.push(place('acme', 'busy'), `busy-${index}`);
    const first = queue.take(200);
    expect(itemsOf(queue.take(200))).toEqual([]);
    expect(queue.heads()).toEqual([]);
    giveBack(first);
    expect(queue.heads()).toEqual(['busy-20']);
    expect(itemsOf(queue.take(200))[0]).toBe('busy-20');
  });

  test('a controller with thousands of people: another one gets its share of each transaction', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 5_000; index += 1) queue.push(place('flood', `person-${index}`), 'flood');
    for (let index = 0; index < 30; index += 1) queue.push(place('acme', `person-${index}`), 'acme');
    expect(itemsOf(queue.take(200)).filter((item) => item === 'acme')).toHaveLength(30);
    expect([queue.sizeOf('flood'), queue.sizeOf('acme')]).toEqual([4_830, 0]);
  });

  test('with less room than a turn they alternate', () => {
    const queue = new FairQueue<string>();
    for (const lane of ['a', 'b', 'c']) for (const key of ['1', '2']) queue.push(place(lane, key), `${lane}${key}`);
    expect(Array.from({ length: 6 }, () => itemsOf(queue.take(1))[0]?.[0]).join('')).toBe('abcabc');
  });
});

test('a subject that is given back may be taken again, whatever became of its company', () => {
  const queue = new FairQueue<string>();
  for (const key of ['1', '2', '1', '2']) queue.push(place('acme', key), key);
  const { subjects } = queue.take(2);
  expect(itemsOf({ subjects })).toEqual(['1', '1']);
  const other = queue.take(10);
  for (const key of ['1', '2']) queue.push(place('acme', key), `${key} again`);
  giveBack(other);
  expect(itemsOf(queue.take(10))).toEqual(['2 again']);
});

test('nothing is lost or taken twice, and a subject’s requests keep their order (REC-2)', () => {
  const request = fc.record({ lane: fc.constantFrom('a', 'b'), key: fc.constantFrom('1', '2', '3') });
  const step = fc.oneof({ weight: 3, arbitrary: request }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 30 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new FairQueue<string>();
      const pushed: string[] = [];
      const taken: string[] = [];
      const open: Taken<string>[] = [];
      for (const each of [...steps, 30, 30]) {
        if (typeof each !== 'number') {
          pushed.push(`${each.lane}${each.key}/${pushed.length}`);
          queue.push(each, pushed.at(-1)!);
          continue;
        }
        const batch = queue.take(each);
        expect(itemsOf(batch).length).toBeLessThanOrEqual(each);
        taken.push(...itemsOf(batch));
        open.push(batch);
        if (open.length > 2) giveBack(open.shift()!);
      }
      open.forEach(giveBack);
      while (queue.size > 0) {
        const batch = queue.take(30);
        taken.push(...itemsOf(batch));
        giveBack(batch);
      }
      const of = (items: readonly string[]) => Object.groupBy(items, (item) => item.split('/')[0]!);
      expect(of(taken)).toEqual(of(pushed));
    }),
  );
});
