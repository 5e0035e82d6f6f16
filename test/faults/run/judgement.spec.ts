import { expect, test } from '@jest/globals';
import type { Rule } from '../checker/index.ts';
import { judgementOf } from './judgement.ts';

const found = (rule: Rule, what = 'x') => ({ rule, what, events: [] });

test('leaks, losses, order and untrue words are broken promises; limits of time and paused sends are counted apart', () => {
  const { broken, late, paused } = judgementOf([
    found('NO-LEAK'),
    found('AVAIL'),
    found('ACK-COMPLETE', 'version 2 of k at r is not tracked'),
    found('ACK-COMPLETE', 'version 2 of k at r was settled late'),
    found('PAUSE-LEAK'),
    found('LAG-TRUTH'),
  ]);
  expect(broken.map(({ rule }) => rule)).toEqual(['NO-LEAK', 'ACK-COMPLETE']);
  expect(late.map(({ rule }) => rule)).toEqual(['AVAIL', 'ACK-COMPLETE', 'LAG-TRUTH']);
  expect(paused.map(({ rule }) => rule)).toEqual(['PAUSE-LEAK']);
});
