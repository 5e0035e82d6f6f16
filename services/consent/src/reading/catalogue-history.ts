import { noticeRef } from '@entente/contracts';
import type { Catalogue, CatalogueChange, ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';

const changesSql = `SELECT change FROM catalogue_change WHERE controller = $1 AND number <= $2 ORDER BY number`;

/** One controller's catalogue as it stood at a number, from the record of its changes. */
export async function catalogueAsOf(pool: Pool, controller: ControllerId, number: number): Promise<Catalogue> {
  const { rows } = await pool.query<{ change: CatalogueChange }>(changesSql, [controller, number]);
  const changes = rows.map(({ change }) => change);
  return {
    number,
    purposes: new Map(changes.flatMap(({ purposes }) => purposes.map((one) => [one.id, one] as const))),
    notices: new Map(
      changes.flatMap(({ notices }) => notices.map((one) => [noticeRef(one.id, one.version), one] as const)),
    ),
    recipients: new Map(changes.flatMap(({ recipients }) => recipients.map((one) => [one.id, one] as const))),
  };
}
