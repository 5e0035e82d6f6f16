import { createHash } from 'node:crypto';
import { subjectKey, type SubjectKey } from '@entente/contracts';
import { createPool } from '@entente/postgres';

const plantedAtOnce = 50_000;

export const plantedKey = (index: number): SubjectKey =>
  subjectKey(`k1.${createHash('sha256').update(String(index)).digest().subarray(0, 16).toString('base64url')}`);

/** People who agreed to two purposes, straight into the consent service's state, from one number up to another. */
export async function plantSubjects(databaseUrl: string, from: number, to: number): Promise<void> {
  const pool = createPool({ url: databaseUrl, schema: 'consent', name: 'bench', max: 1 });
  const granted = { decision: 'granted', notice: 'privacy-choices@1', since: '2026-01-01T00:00:00.000Z' };
  const vector = JSON.stringify({ 'email-marketing': granted, 'product-analytics': granted });
  for (let at = from; at < to; at += plantedAtOnce)
    await pool.query(
      `INSERT INTO subject (controller, subject_key, version, vector)
       SELECT 'acme', 'k1.' || left(translate(encode(substring(sha256(n::text::bytea) FOR 16), 'base64'), '+/', '-_'), 22), 1, $3
         FROM generate_series($1::int, $2::int) n`,
      [at, Math.min(to, at + plantedAtOnce) - 1, vector],
    );
  await pool.end();
}
