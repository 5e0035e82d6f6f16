import { ManualClock, systemClock } from '@entente/observability';
import { describe, expect, jest, test } from '@jest/globals';
import { admit, closedCircuit, onAnswer, onFailure, type Circuit, type CircuitPolicy } from './circuit-breaker.ts';
import { freshRate, pauseUntil, takeCall, takeSpareCall } from './rate-limiter.ts';
import { RecipientLimits } from './recipient-limits.ts';

describe('rate limiter', () => {
  const budget = { calls: 100, perMs: 10_000 };

  test('a few calls may go at once, the others at a pace that leaves them the whole window', () => {
    let state = freshRate(budget, 0);
    const waits = Array.from({ length: 12 }, () => {
      const taken = takeCall(state, budget, 0);
      state = taken.state;
      return Math.round(taken.waitMs);
    });
    expect(waits).toEqual([0, 0, 0, 103, 206, 309, 412, 515, 619, 722, 825, 928]);
    expect(takeCall(state, budget, 1_050).waitMs).toBe(0);
  });

  test('whoever calls all the time waits about as long each time, and misses little of the budget', () => {
    let state = freshRate(budget, 0);
    const waits: number[] = [];
    for (let now = 0; now < 60_000;) {
      const { waitMs, state: next } = takeCall(state, budget, now);
      state = next;
      now += waitMs;
      waits.push(waitMs);
    }
    expect(Math.max(...waits)).toBeLessThan(500);
    expect(waits.length).toBeGreaterThan(0.96 * 6 * budget.calls);
  });

  /** Most calls that went within one of the partner's windows, wherever it begins. */
  const mostInOne = (went: readonly number[]): number =>
    Math.max(...went.map((from) => went.filter((at) => at >= from && at < from + budget.perMs).length));

  test('a burst after a pause comes not on top of the calls before it, which the partner still counts', () => {
    let state = freshRate(budget, 0);
    const went: number[] = [];
    for (let now = 0; now < 60_000;) {
      const { waitMs, state: next } = takeCall(state, budget, now);
      state = next;
      now += waitMs;
      went.push(now);
      // The partner has had enough twice; a lull refills the burst.
      if (went.length === 95 || went.length === 300) state = pauseUntil(state, now + 900);
      if (went.length === 250) now += 2_000;
    }
    expect(mostInOne(went)).toBe(budget.calls);
    expect(went.length).toBeGreaterThan(0.95 * 60 * 10 - 40);
  });

  test('what nobody waits for leaves half a burst to those who hurry, and no more of the window', () => {
    let state = freshRate(budget, 0);
    const went: number[] = [];
    for (let now = 0; now < 30_000;) {
      const spare = takeSpareCall(state, budget, now);
      // As a timer would: never less than a tick.
      if ('waitMs' in spare) now += Math.max(1, spare.waitMs);
      else {
        state = spare.state;
        went.push(now);
      }
    }
    expect(mostInOne(went)).toBeLessThan(budget.calls);
    expect(mostInOne(went)).toBeGreaterThan(0.95 * budget.calls);
    expect(takeCall(state, budget, 30_000).waitMs).toBe(0);
  });

  test('a pause holds everyone, and a shorter one never cancels a longer', () => {
    const paused = pauseUntil(pauseUntil(freshRate(budget, 0), 5_000), 1_000);
    expect(takeCall(paused, budget, 2_000).waitMs).toBe(3_000);
  });
});

describe('circuit breaker', () => {
  const policy: CircuitPolicy = { threshold: 3, baseMs: 1_000, capMs: 4_000, probeMs: 30_000 };
  const failed = (circuit: Circuit, times: number, now = 0): Circuit =>
    Array.from({ length: times }).reduce<Circuit>((state) => onFailure(state, policy, now), circuit);

  test('opens after failures in a row only', () => {
    expect(failed(closedCircuit, 2).kind).toBe('closed');
    expect(failed(closedCircuit, 3).kind).toBe('open');
    expect(failed(onAnswer(), 2).kind).toBe('closed');
  });

  test('admits one probe after its pause, and doubles the pause when that fails', () => {
    const open = failed(closedCircuit, 3);
    expect(admit(open, policy, 999)).toMatchObject({ admitted: false, retryInMs: 1 });
    const probe = admit(open, policy, 1_000);
    expect(probe).toMatchObject({ admitted: true, probe: true });
    expect(admit(probe.circuit, policy, 1_001).admitted).toBe(false);
    expect(onFailure(probe.circuit, policy, 1_500)).toEqual({ kind: 'open', until: 3_500, openings: 2 });
    expect(admit(onAnswer(), policy, 1_500)).toMatchObject({ admitted: true, probe: false });
  });

  test('a probe of which nothing was heard gives way to another', () => {
    const { circuit } = admit(failed(closedCircuit, 3), policy, 1_000);
    expect(admit(circuit, policy, 31_000).admitted).toBe(true);
  });
});

describe('slots of one recipient', () => {
  const options = { concurrency: 1, calls: 100, perMs: 1_000 };

  test('a revocation that waits goes before shares that wait', async () => {
    const limits = new RecipientLimits(options, new ManualClock());
    const never = new AbortController().signal;
    const first = await limits.take('share', never);
    const order: string[] = [];
    const waiting = (['share', 'revocation'] as const).map(async (kind) => {
      const slot = await limits.take(kind, never);
      order.push(kind);
      slot?.release(true);
    });
    first?.release(true);
    await Promise.all(waiting);
    expect(order).toEqual(['revocation', 'share']);
  });

  test('a slot is given back once, and an aborted wait leaves no trace', async () => {
    const limits = new RecipientLimits(options, new ManualClock());
    const slot = limits.tryTake();
    const stop = new AbortController();
    const waiting = limits.take('share', stop.signal);
    stop.abort();
    expect(await waiting).toBeNull();
    slot?.release(true);
    slot?.release(true);
    expect(limits.tryTake()).not.toBeNull();
    expect(limits.tryTake()).toBeNull();
  });

  test('who waits while a probe is under way waits no longer than its failure demands', async () => {
    jest.useFakeTimers();
    try {
      const clock = new ManualClock();
      const limits = new RecipientLimits({ ...options, concurrency: 2 }, clock);
      const pass = (ms: number): void => {
        clock.advance(ms);
        jest.advanceTimersByTime(ms);
      };
      for (let failures = 0; failures < 5; failures += 1) limits.tryTake()?.release(false);
      pass(1_000);
      const probe = limits.tryTake();
      const waiting = limits.take('revocation', new AbortController().signal);
      probe?.release(false);
      pass(2_000);
      expect(await waiting).not.toBeNull();
    } finally {
      jest.useRealTimers();
    }
  }, 2_000);

  test('silence asked for while a call waits for its turn holds that call too', async () => {
    const never = new AbortController().signal;
    const limits = new RecipientLimits({ concurrency: 2, calls: 10, perMs: 1_000 }, systemClock);
    await limits.spendRequest(never);
    const second = limits.spendRequest(never);
    limits.pauseFor(300);
    const began = systemClock.monotonic();
    expect(await second).toBe(true);
    expect(systemClock.monotonic() - began).toBeGreaterThanOrEqual(299);
  });

  test('silence the partner asked for holds everyone', () => {
    const clock = new ManualClock();
    const limits = new RecipientLimits(options, clock);
    limits.pauseFor(1_000);
    expect(limits.tryTake()).toBeNull();
    clock.advance(1_000);
    expect(limits.tryTake()).not.toBeNull();
  });
});
