import type { LedgerHead } from '@entente/contracts';
import type { LedgerPort, PublishedVersion } from '@entente/outbox';
import type { Client } from '@entente/postgres';
import { raiseIncarnation } from '../ledger/incarnation.ts';
import type { Republisher } from './republish.ts';

const factsSql = `
  SELECT (SELECT number FROM catalogue) AS catalogue, (SELECT incarnation FROM incarnation) AS incarnation,
         COALESCE(h.number, 0) AS number, encode(COALESCE(h.hash, decode(repeat('00', 32), 'hex')), 'hex') AS hash
    FROM (SELECT 1) one LEFT JOIN (SELECT number, hash FROM ledger_chain ORDER BY number DESC LIMIT 1) h ON true`;

const holdsHeadSql = `SELECT 1 FROM ledger_chain WHERE number = $1 AND hash = decode($2, 'hex')`;

const behindSql = `
  SELECT 1 FROM unnest($1::text[], $2::text[], $3::bigint[]) AS p(controller, subject_key, version)
    LEFT JOIN subject s USING (controller, subject_key)
   WHERE COALESCE(s.version, 0) < p.version LIMIT 1`;

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
  async holdsHead(client: Client, head: LedgerHead): Promise<boolean> {
    if (head.number === 0) return /^0{64}$/.test(head.hash);
    return (await client.query(holdsHeadSql, [head.number, head.hash])).rowCount === 1;
  }

  async holdsVersions(client: Client, published: readonly PublishedVersion[]): Promise<boolean> {
    const { rowCount } = await client.query(behindSql, [
      published.map(({ controller }) => controller),
      published.map(({ subjectKey }) => subjectKey),
      published.map(({ version }) => version),
    ]);
    return rowCount === 0;
  }

  republish(client: Client, shard: number, since: number): Promise<void> {
    return this.#republisher.republish(client, shard, since);
  }
}
