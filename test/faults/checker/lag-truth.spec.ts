import { topics } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { check } from './check.ts';
import type { HistoryEvent, OpsReport } from './history.ts';
import { at, changed, historyOf, who } from './testing/small-history.ts';

/** The story's withdrawal (version 2) commits at 2,010; here its recipient's connector tells Kafka at 6,000. */
const committed = 2_010;
const settled = 6_000;

const told = (outcome: string, when: number, version = 2): HistoryEvent => ({
  ...{ kind: 'topic.record', at: when, topic: topics.enforcements, partition: 0, offset: when, type: 'enforcement' },
  ...{ controller: who.controller, key: who.subject, recipient: at.recipient, version, direction: 'deny', outcome },
});
const accepted = told('accepted', settled);

interface Said {
  readonly oldestMs?: number;
  readonly all?: boolean;
  readonly blind?: boolean;
  readonly knownUntil?: number;
}

/** The answer came 10 ms after the question, and knows what was answered 400 ms before it. */
function report(when: number, { oldestMs = 0, all = false, blind = false, knownUntil = when - 410 }: Said): OpsReport {
  const recipients = [{ recipient: at.recipient, blind, oldestMs }];
  return { kind: 'ops.report', at: when, askedAt: when - 10, process: 'ops', allEnforced: all, knownUntil, recipients };
}

const found = (...added: readonly HistoryEvent[]): string[] =>
  check(historyOf(changed([], added))).flatMap(({ rule, what }) => (rule === 'LAG-TRUTH' ? [what] : []));

describe('LAG-TRUTH', () => {
  test('a true account of the whole story is lawful', () => {
    const during = [3_000, 4_500, 5_900].map((when) => report(when, { oldestMs: when - 10 - committed }));
    expect(found(accepted, report(1_900, { all: true }), ...during, report(7_500, { all: true }))).toEqual([]);
  });

  test('"all enforced" is not said while a withdrawal is open', () => {
    expect(found(accepted, report(5_000, { all: true, oldestMs: 2_990 }))).toEqual([
      '"all enforced" is said while version 2 of k1.anna is open at ads',
    ]);
  });

  test('a tracker that froze before the withdrawal reports nothing, and is seen', () => {
    expect(found(accepted, report(5_000, {}))).toEqual(['ads: the oldest is 3.0 s old, 0.0 s is reported']);
  });

  test('of what it says it does not know yet it is not asked', () => {
    expect(found(accepted, report(2_900, { all: true, knownUntil: 2_000 }))).toEqual([]);
  });

  test('but "all enforced" of long ago is no answer', () => {
    expect(found(accepted, report(6_500, { all: true, knownUntil: 2_000 }))).toContain(
      '"all enforced" is said of 4.5 s ago, as if it were now',
    );
  });

  test.each([
    [8_500, 0],
    [7_900, 1],
  ] as const)('ten seconds may be reported as %i ms or not: 20 %%', (oldestMs, violations) => {
    expect(found(report(committed + 10_010, { oldestMs }))).toHaveLength(violations);
  });

  test('work that is long done is not reported as open', () => {
    expect(found(accepted, report(8_500, { oldestMs: 6_490 }))).toEqual([
      'ads: the oldest is 0.0 s old, 6.5 s is reported',
    ]);
  });

  test.each([
    ['parked', 2, true],
    ['waiting', 2, true],
    ['accepted', 1, true],
    ['superseded', 2, false],
    ['accepted', 3, false],
  ] as const)('%s at version %i leaves the withdrawal of version 2 open: %s (TRK-1)', (outcome, version, open) => {
    expect(found(told(outcome, settled, version), report(8_000, { all: true }))).toHaveLength(open ? 2 : 0);
  });

  test('whoever cannot see says BLIND and nothing false, but at rest it must see', () => {
    expect(found(report(5_000, { blind: true }))).toEqual([]);
    const closed = report(9_500, { blind: true });
    expect(found(accepted, closed)).toEqual(['at rest ops sees nothing of ads']);
    expect(found(accepted, closed, report(10_000, {}), report(10_500, { blind: true }))).toEqual([]);
  });
});
