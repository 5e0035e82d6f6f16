import type { ControllerId, SubjectKey } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';
import type { CircleId } from './circles.ts';

const writeSql = `
  WITH n AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS n(controller text, subject_key text, circle uuid)),
  parted AS (
    DELETE FROM subject_link l USING n
     WHERE n.circle IS NULL AND l.controller = n.controller AND l.subject_key = n.subject_key
  )
  INSERT INTO subject_link (controller, subject_key, circle)
  SELECT controller, subject_key, circle FROM n WHERE circle IS NOT NULL
  ON CONFLICT (controller, subject_key) DO UPDATE SET circle = excluded.circle`;

/** REC-4: who is one person from this commit on. */
export async function writeLinks(
  tx: PoolClient,
  links: ReadonlyMap<{ readonly controller: ControllerId; readonly subjectKey: SubjectKey }, CircleId | null>,
): Promise<void> {
  if (links.size === 0) return;
  const rows = [...links].map(([{ controller, subjectKey }, circle]) => ({
    controller,
    subject_key: subjectKey,
    circle,
  }));
  await tx.query(writeSql, [JSON.stringify(rows)]);
}
