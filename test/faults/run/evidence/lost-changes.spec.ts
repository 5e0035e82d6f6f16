import { expect, test } from '@jest/globals';
import type { DbChange } from '../../checker/index.ts';
import { withoutRestored } from './lost-changes.ts';

const change = (version: number, more: Partial<DbChange> = {}): DbChange => ({
  ...{ kind: 'db.change', at: version, controller: 'acme', subject: 'k1.a', version, direction: 'deny' },
  ...{ recipients: [], after: {}, ...more },
});

test('RST-4 a lost change counts as committed and as in the ledger once a restore has made good for it, and not before', () => {
  const lost = change(3, { lost: true });
  const other = change(3, { lost: true, subject: 'k1.b' });
  const newer = change(4, { lost: true });
  const found = withoutRestored([lost, other, newer, change(9, { restored: 3 })]);
  expect(found).toEqual([
    change(3),
    { kind: 'db.ledger', at: 3, controller: 'acme', subject: 'k1.a', version: 3 },
    other,
    newer,
    change(9, { restored: 3 }),
  ]);
});
