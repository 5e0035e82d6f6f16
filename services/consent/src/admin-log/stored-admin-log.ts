import { firstOf, LedgerCheck } from '@entente/contracts';
import type { BadEntry, LogHead } from '@entente/contracts';
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
  /** The number up to which a signed checkpoint vouches for every entry. */
  readonly signed: number;
}

/**
 * AUDIT: follows the chain of the admin log as it stands in the database and names its first bad entry.
 * @param heads where it ended when checkpoints were signed, in any order
 */
export async function verifyAdminLog(pool: Pool, heads: readonly LogHead[]): Promise<AdminLogVerdict> {
  const check = new LedgerCheck({ checkpoints: [] });
  const signed = new SignedHeads(heads);
  let stray: BadEntry | null = null;
  await copyRows(pool, chainSql, ([number, commitment, hash, text, controller]) => {
    if (!number || !commitment || !hash || !text || !controller) return void check.unreadable('a column is empty');
    const at = Number(number.readBigInt64BE());
    const bad = check.take({ number: at, commitment, link: Buffer.from(hash), content: { text, salt: null } });
    if (bad !== null || stray !== null) return;
    stray = signed.firstLeft(at, hash);
    if (stray !== null) return;
    const told = objectIn(text.toString());
    if (told?.['number'] !== at || (told['controller'] ?? '') !== controller.toString())
      stray = { number: at, fault: 'stored', detail: 'its row says something else than its text' };
  });
  const { bad, entries } = check.end();
  const verdict = { entries, signed: signed.upTo };
  if (bad !== null || stray !== null) return { ...verdict, bad: firstOf(bad, stray) };
  const missing = (detail: string) => ({
    ...verdict,
    bad: { number: entries + 1, fault: 'truncated' as const, detail },
  });
  if (entries === 0) return missing('the log lacks its beginning');
  if (signed.newest > entries)
    return missing(`the log ends at ${entries}, a signed checkpoint has ${signed.newest} entries`);
  const { rows } = await pool.query<{ number: number }>(unloggedSql);
  if (rows[0] !== undefined) return missing(`the catalogue change ${rows[0].number} stands in no entry`);
  return { ...verdict, bad: null };
}

/** Where the log ended each time a checkpoint was signed. */
class SignedHeads {
  readonly #heads: ReadonlyMap<number, readonly LogHead[]>;
  readonly newest: number;
  #upTo = 0;

  constructor(heads: readonly LogHead[]) {
    this.#heads = Map.groupBy(heads, ({ number }) => number);
    this.newest = heads.reduce((newest, { number }) => Math.max(newest, number), 0);
  }

  /** The number of the last entry that was compared and is the signed one. */
  get upTo(): number {
    return this.#upTo;
  }

  /** Entries in their order. @returns where this one's history left the signed one, if it did */
  firstLeft(number: number, link: Buffer): BadEntry | null {
    const heads = this.#heads.get(number);
    if (heads === undefined) return null;
    if (!heads.every(({ hash }) => hash.equals(link)))
      return {
        number: this.#upTo + 1,
        fault: 'forked',
        detail: `between this entry and ${number} the log leaves the history that a checkpoint signs`,
      };
    this.#upTo = number;
    return null;
  }
}
