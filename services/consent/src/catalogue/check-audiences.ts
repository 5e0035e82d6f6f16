import type { Audience } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';

/** A recipient of the stored catalogue belongs to an audience this process has no key for. */
class AudienceKeyMissing extends Error {
  override readonly name = 'AudienceKeyMissing';
}

const audiencesSql = `SELECT DISTINCT document ->> 'audience' AS audience FROM recipient`;

/**
 * At start: without the key of an audience in use no change that concerns it could be recorded (SEAL-1), so this is a
 * configuration fault. A database that does not answer yet is not one.
 */
export async function checkCatalogueAudiences(pool: Pool, keys: ReadonlySet<Audience>, log: Logger): Promise<void> {
  const rows = await pool
    .query<{ audience: Audience }>(audiencesSql)
    .then((result) => result.rows)
    .catch((err: unknown) => {
      log.warn({ err }, 'stored catalogue not checked: the database does not answer');
      return [];
    });
  const missing = rows.map(({ audience }) => audience).filter((audience) => !keys.has(audience));
  if (missing.length > 0)
    throw new AudienceKeyMissing(`AUDIENCE_KEYS has no key for ${missing.join(', ')}, which the catalogue uses`);
}
