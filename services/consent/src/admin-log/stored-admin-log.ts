import { firstOf, LedgerCheck } from '@entente/contracts';
import type { BadEntry } from '@entente/contracts';
import { copyRows } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { objectIn } from '../ledger-proofs/canonical-json.ts';

const chainSql = `
  SELECT number, commitment, hash, entry, COALESCE(controller, '') FROM admin_entry ORDER BY number`;

/** A catalogue change after the log began that stands in no entry: the log was cut, or the change came past it. */
const unloggedSql = `
  WITH told AS (SELECT (entry::jsonb #>> '{details,catalogue}')::bigint AS number FROM admin_entry
                 WHERE entry::jsonb ->> 'act' = 'catalogue-changed')
  SELECT c.number FROM catalogue_change c
   WHERE c.number > (SELECT (entry::jsonb #>> '{details,catalogue}')::bigint FROM admin_entry WHERE number = 1) AND NOT EXISTS (SELECT 1 FROM told t WHERE t.number = c.number)
   ORDER BY c.number LIMIT 1`;

export interface AdminLogVerdict {
  readonly bad: BadEntry | null;
  readonly entries: number;
}

/** AUDIT: follows the chain of the admin log as it stands in the database and names its first bad entry. */
export async function verifyAdminLog(pool: Pool): Promise<AdminLogVerdict> {
  const check = new LedgerCheck({ checkpoints: [] });
  let stray: BadEntry | null = null;
  await copyRows(pool, chainSql, ([number, commitment, hash, text, controller]) => {
    if (!number || !commitment || !hash || !text || !controller) return void check.unreadable('a column is empty');
    const at = Number(number.readBigInt64BE());
    const bad = check.take({ number: at, commitment, link: Buffer.from(hash), content: { text, salt: null } });
    if (bad !== null || stray !== null) return;
    const told = objectIn(text.toString());
    if (told?.['number'] !== at || (told['controller'] ?? '') !== controller.toString())
      stray = { number: at, fault: 'stored', detail: 'its row says something else than its text' };
  });
  const { bad, entries } = check.end();
  if (bad !== null || stray !== null) return { bad: firstOf(bad, stray), entries };
  if (entries === 0) return { bad: { number: 1, fault: 'truncated', detail: 'the log lacks its beginning' }, entries };
  const { rows } = await pool.query<{ number: number }>(unloggedSql);
  const detail = (catalogue: number) => `the catalogue change ${catalogue} stands in no entry`;
  return {
    bad: rows[0] === undefined ? null : { number: entries + 1, fault: 'truncated', detail: detail(rows[0].number) },
    entries,
  };
}
