import { describe, expect, test } from '@jest/globals';
import type { RevocationOutcome } from '../partner/outcome.ts';
import { backoffMs } from './backoff.ts';
import { nextStep, retryPolicy } from './next-step.ts';

const outcome = (kind: RevocationOutcome['kind']): RevocationOutcome =>
  kind === 'applied' ? { kind } : { kind, why: 'because' };
const last = retryPolicy.maxAttempts;

describe('DLV-4: the runtime alone decides', () => {
  test.each([
    ['applied', 1, 'acknowledge'],
    ['applied', last, 'acknowledge'],
    ['nothing-to-do', 1, 'acknowledge'],
    ['not-recalled', 1, 'acknowledge'],
    ['retry', 1, 'wait'],
    ['retry', last - 1, 'wait'],
    ['retry', last, 'park'],
    ['refused', 1, 'park'],
    ['unclear', 1, 'wait'],
    ['unclear', last, 'park'],
  ] as const)('outcome %s on attempt %i -> %s', (kind, attempt, step) =>
    expect(nextStep(outcome(kind), attempt, retryPolicy, 0.5).do).toBe(step),
  );

  test.each([
    ['applied', 'accepted'],
    ['nothing-to-do', 'nothing-to-do'],
    ['not-recalled', 'not-recalled'],
  ] as const)('%s is acknowledged as %s', (kind, as) =>
    expect(nextStep(outcome(kind), 1, retryPolicy, 0)).toEqual({ do: 'acknowledge', as }),
  );

  test('an unclear outcome is remembered as ambiguous, a retry is not', () => {
    expect(nextStep(outcome('unclear'), 1, retryPolicy, 0)).toMatchObject({ ambiguous: true });
    expect(nextStep(outcome('retry'), 1, retryPolicy, 0)).toMatchObject({ ambiguous: false });
  });

  test('Retry-After is a floor, and an absurd one is cut', () => {
    const asked = (afterMs: number) => nextStep({ kind: 'retry', why: 'throttled', afterMs }, 1, retryPolicy, 0.999);
    expect(asked(7_000)).toMatchObject({ do: 'wait', ms: 7_500 });
    expect(asked(1e12)).toMatchObject({ do: 'wait', ms: retryPolicy.maxAskedMs + 500 });
  });
});

describe('backoff with full jitter', () => {
  test.each([
    [1, 0, 0],
    [1, 0.5, 250],
    [2, 0.5, 500],
    [8, 0.5, 30_000],
    [500, 0.5, 30_000],
  ])('attempt %i, random %d -> %i ms', (attempt, random, ms) =>
    expect(backoffMs(attempt, { baseMs: 500, capMs: 60_000 }, random)).toBe(ms),
  );
});
