import { expect, test } from '@jest/globals';
import { evidenceFormat, evidenceFrom, judgeEvidence, type Evidence } from './evidence.ts';

const keys = { receipts: { keys: [] }, ledger: [] };
const bundle: Evidence = {
  format: evidenceFormat,
  madeAt: '2026-11-22T12:00:00.000Z',
  changes: [{ changeId: 'chg_1', receipt: 'a.b.c', inclusion: null, propagation: null }],
  keys,
};

test.each(['', '{', '[]', 'null', '{"format":"entente-evidence/2"}'])('%j is no bundle', (text) =>
  expect(() => evidenceFrom(text, 'evidence.json')).toThrow(/evidence\.json is n/),
);

test('what no key signed proves nothing, whatever the bundle says of itself', async () => {
  const [verdict] = await judgeEvidence(evidenceFrom(JSON.stringify(bundle), 'evidence.json'), keys);
  expect(verdict).toMatchObject({ changeId: 'chg_1', valid: false });
  expect(verdict!.findings[0]).toMatch(/^receipt: not true/);
});
