import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PartnerLimits } from '../partner/definition.ts';
import { permittedFields } from './share-intake.ts';
import { ShareQueue } from './share-queue.ts';
import { ExposureWindows } from './windows.ts';

const limits: PartnerLimits = { shareBatch: 3, revokeBatch: 1, concurrency: 1, calls: 1, perMs: 1 };
let people = 0;
const someone = () => subjectKey(`k1.${String((people += 1)).padStart(22, 'A')}`);
const share = (purpose: string, bytes = 10, person = someone()) => ({
  request: { purpose: purposeId(purpose), subjectKey: person },
  bytes,
});

type Queued = ReturnType<typeof share>;
const queueOf = (shares: readonly Queued[], shareBy: 'recipient' | 'purpose' = 'recipient', more = limits) => {
  const queue = new ShareQueue<Queued>({ limits: more, shareBy });
  for (const each of shares) queue.push(each);
  return queue;
};

describe('batches', () => {
  test('as many as the partner takes, oldest first', () => {
    const shares = ['a', 'b', 'a', 'a'].map((purpose) => share(purpose));
    const queue = queueOf(shares);
    expect([queue.nextBatch(), queue.nextBatch(), queue.nextBatch()]).toEqual([
      shares.slice(0, 3),
      shares.slice(3),
      [],
    ]);
    expect(queue.size).toBe(0);
  });

  test('one person’s thousands stand behind the others’ few, in their own order', () => {
    const busy = someone();
    const burst = Array.from({ length: 2_000 }, () => share('a', 10, busy));
    const [first, second] = [share('a'), share('a')];
    const queue = queueOf([...burst, first, second]);
    expect(queue.nextBatch()).toEqual([burst[0], first, second]);
    expect(queue.nextBatch()).toEqual(burst.slice(1, 4));
  });

  test('one purpose each where the partner wants that, in turns', () => {
    const queue = queueOf([share('a'), share('b'), share('a')], 'purpose');
    const purposes = () => queue.nextBatch().map(({ request }) => request.purpose);
    expect([purposes(), purposes(), purposes()]).toEqual([['a', 'a'], ['b'], []]);
  });

  test('one that has ended leaves the others in their order; what is gone already is gone', () => {
    const person = someone();
    const shares = [share('a', 10, person), share('a'), share('a', 10, person)] as const;
    const queue = queueOf(shares);
    queue.remove(shares[0]);
    queue.remove(shares[0]);
    expect(queue.size).toBe(2);
    expect(queue.nextBatch()).toEqual([shares[2], shares[1]]);
    queue.remove(shares[1]);
    expect([queue.size, queue.nextBatch()]).toEqual([0, []]);
  });

  test('never above the partner’s body limit, yet at least one', () => {
    const queue = queueOf([share('a', 5_000), share('a', 5_000)], 'recipient', { ...limits, shareBytes: 6_000 });
    expect(queue.nextBatch()).toHaveLength(1);
    expect(queue.nextBatch()).toHaveLength(1);
  });

  test('nothing is lost or taken twice; a person’s shares for a purpose keep their order; nobody waits longer than everybody’s turn', () => {
    const persons = [someone(), someone(), someone()];
    const arrival = fc.record({ purpose: fc.constantFrom('a', 'b'), person: fc.constantFrom(...persons) });
    const step = fc.oneof({ weight: 4, arbitrary: arrival }, { weight: 1, arbitrary: fc.constant(null) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom('recipient', 'purpose'), (steps, shareBy) => {
        const queue = new ShareQueue<Queued>({ limits, shareBy });
        const pushed: Queued[] = [];
        const taken: Queued[] = [];
        for (const each of [...steps, ...steps.map(() => null)]) {
          if (each === null) {
            const batch = queue.nextBatch();
            expect(batch.length).toBeLessThanOrEqual(limits.shareBatch);
            if (shareBy === 'purpose')
              expect(new Set(batch.map(({ request }) => request.purpose)).size).toBeLessThan(2);
            taken.push(...batch);
          } else {
            pushed.push(share(each.purpose, 10, each.person));
            queue.push(pushed.at(-1)!);
          }
          expect(queue.size).toBe(pushed.length - taken.length);
        }
        const of = (all: readonly Queued[]) =>
          Map.groupBy(all, ({ request }) => `${request.subjectKey} ${shareBy === 'purpose' ? request.purpose : ''}`);
        taken.push(...queue.drain());
        expect(of(taken)).toEqual(of(pushed));
      }),
    );
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
