import type { ControllerId, PlainText, RecipientDescribed } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

type Queries = Pick<PoolClient, 'query'>;

const keepSql = `
  INSERT INTO recipient_description AS d (controller, recipient, documented_delay, at) VALUES ($1, $2, $3, $4)
  ON CONFLICT (controller, recipient) DO UPDATE SET documented_delay = excluded.documented_delay, at = excluded.at
   WHERE d.at < excluded.at`;

/** The newest word counts, whichever instance of the connector said it. */
export async function keepDescription(
  db: Queries,
  { controller, recipient, documentedDelay, at }: RecipientDescribed,
): Promise<void> {
  await db.query(keepSql, [controller, recipient, documentedDelay, at]);
}

/** How long each recipient's partner says that it takes, by recipient. */
export async function documentedDelays(db: Queries, controller: ControllerId): Promise<ReadonlyMap<string, PlainText>> {
  const { rows } = await db.query<{ recipient: string; delay: PlainText }>(
    'SELECT recipient, documented_delay AS delay FROM recipient_description WHERE controller = $1',
    [controller],
  );
  return new Map(rows.map(({ recipient, delay }) => [recipient, delay]));
}
