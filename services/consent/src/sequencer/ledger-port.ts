import type { LedgerHead } from '@entente/contracts';
import type { LedgerPort, PublishedChange } from '@entente/outbox';
import { tpKey } from '@entente/kafka';
import type { Client } from '@entente/postgres';
import { raiseIncarnation } from '../ledger/incarnation.ts';
import type { Republisher } from './republish.ts';

const factsSql = `
  SELECT (SELECT number FROM catalogue) AS catalogue, (SELECT incarnation FROM incarnation) AS incarnation,
         COALESCE(h.number, 0) AS number, encode(COALESCE(h.hash, decode(repeat('00', 32), 'hex')), 'hex') AS hash
    FROM (SELECT 1) one LEFT JOIN (SELECT number, hash FROM ledger_chain ORDER BY number DESC LIMIT 1) h ON true`;

const holdsHeadSql = `
  SELECT 1 FROM ledger_chain WHERE number = $1 AND hash = decode($2, 'hex')
   UNION ALL SELECT 1 FROM restore WHERE merged_below > $3`;

const lostSql = `
  SELECT 1 FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS p(change_id, place, at)
    LEFT JOIN ledger_entry e USING (change_id)
   WHERE e.id IS NULL AND NOT EXISTS (SELECT 1 FROM restore r WHERE (r.ends ->> p.place)::bigint > p.at) LIMIT 1`;

/** What the relay asks of the ledger: REL-4 step (2), REL-5, RST-1, RST-4. */
export class ConsentLedgerPort implements LedgerPort {
  readonly #republisher: Republisher;

  constructor(republisher: Republisher) {
    this.#republisher = republisher;
  }

  async onConnect(client: Client): Promise<void> {
    await raiseIncarnation(client);
  }

  async facts(client: Client): Promise<{ catalogue: number; ledger: LedgerHead; incarnation: number }> {
    const { rows } = await client.query<{ catalogue: number; incarnation: number; number: number; hash: string }>(
      factsSql,
    );
    const [row] = rows;
    if (row === undefined) throw new Error('the ledger facts cannot be read');
    const { catalogue, incarnation, number, hash } = row;
    return { catalogue, incarnation, ledger: { number, hash } };
  }

  /** The head of an empty ledger is held by every ledger. */
  async holdsHead(client: Client, head: LedgerHead, incarnation: number): Promise<boolean> {
    if (head.number === 0) return /^0{64}$/.test(head.hash);
    return ((await client.query(holdsHeadSql, [head.number, head.hash, incarnation])).rowCount ?? 0) > 0;
  }

  async holdsChanges(client: Client, published: readonly PublishedChange[]): Promise<boolean> {
    const { rowCount } = await client.query(lostSql, [
      published.map(({ changeId }) => changeId),
      published.map((change) => tpKey(change)),
      published.map(({ offset }) => offset.toString()),
    ]);
    return rowCount === 0;
  }

  republish(client: Client, shard: number, since: number): Promise<void> {
    return this.#republisher.republish(client, shard, since);
  }
}
