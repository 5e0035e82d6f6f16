import { expect, test } from '@jest/globals';
import { reportFrom } from './reconciliations.ts';

test('a connector’s report, people masked; what it does not say counts as not said', () => {
  const report = reportFrom({
    state: 'done',
    startedAt: '2026-11-22T10:00:00.000Z',
    endedAt: '2026-11-22T10:00:01.000Z',
    askedBy: 'operator',
    counts: { checked: 12, extra: 1, repaired: 1, stale: 'many' },
    findings: [{ kind: 'extra', subjectKey: 'k1.aaaaaaaaaaaaaaaaaa4711', purposes: ['ads', 7] }, null],
  });
  expect(report).toMatchObject({ state: 'done', reason: null, counts: { checked: 12, repaired: 1, stale: 0 } });
  expect(report.findings).toEqual([
    { kind: 'extra', subject: '••••4711', purposes: ['ads'], reason: null },
    { kind: 'unknown', subject: '••••', purposes: [], reason: null },
  ]);
});

test.each([null, 'done', {}, { state: 'perfect' }])('%j is no report', (given) =>
  expect(() => reportFrom(given)).toThrow('not a report'),
);
