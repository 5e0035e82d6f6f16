import { expect, test } from '@jest/globals';
import { Attention } from './attention.ts';

const timing = { pollMs: 75, trustingPollMs: 500, doubtMs: 10_000 };

test('REL-3: hints are trusted until a look finds what none had told of, and again when that has not happened for a while', () => {
  const attention = new Attention(timing);
  expect(attention.nextLook(0)).toBe(500);
  attention.foundUntold(1_000);
  expect(attention.nextLook(1_001)).toBe(75);
  attention.foundUntold(9_000);
  expect(attention.nextLook(18_999)).toBe(75);
  expect(attention.nextLook(19_000)).toBe(500);
});
