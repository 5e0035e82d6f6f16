import { expect } from '@jest/globals';
import { check } from '../check.ts';
import type { History, HistoryEvent } from '../history.ts';
import type { Rule } from '../violation.ts';
import { historyOf } from './small-history.ts';

/** Exactly one violation, of this rule, shown by exactly these events. */
export function expectOne(
  events: readonly HistoryEvent[],
  rule: Rule,
  shown: readonly HistoryEvent[],
  more: Partial<History> = {},
): void {
  const violations = check(historyOf(events, more));
  expect(violations.map((violation) => violation.rule)).toEqual([rule]);
  expect(violations[0]?.events).toEqual(shown);
}

export const expectClean = (events: readonly HistoryEvent[], more: Partial<History> = {}): void =>
  expect(check(historyOf(events, more))).toEqual([]);
