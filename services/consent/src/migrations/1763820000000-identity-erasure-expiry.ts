import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * Links between the keys of one person (REC-4), each person's data key, what an erasure leaves behind (REC-8), and the
 * next end of a grant. `subject_secret` is a table of its own so that its backups can be kept for a shorter time than the
 * others': a restored key would bring back what was destroyed with it.
 */
const statements = [
  `ALTER TABLE subject ADD COLUMN next_expiry timestamptz, ADD COLUMN erased_at timestamptz`,
  `UPDATE subject s SET next_expiry = (
     SELECT min((p.state ->> 'validUntil')::timestamptz) FROM jsonb_each(s.vector) AS p(purpose, state)
      WHERE p.state ->> 'decision' = 'granted')
    WHERE jsonb_path_exists(s.vector, '$.*.validUntil')`,
  `CREATE INDEX subject_next_expiry ON subject (next_expiry) WHERE next_expiry IS NOT NULL`,
  `CREATE TABLE subject_secret (
     controller text COLLATE "C" NOT NULL,
     subject_key text COLLATE "C" NOT NULL,
     wrapped text NOT NULL,
     PRIMARY KEY (controller, subject_key)
   )`,
  `CREATE TABLE subject_link (
     controller text COLLATE "C" NOT NULL,
     subject_key text COLLATE "C" NOT NULL,
     circle uuid NOT NULL,
     linked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     PRIMARY KEY (controller, subject_key)
   )`,
  `CREATE INDEX subject_link_circle ON subject_link (controller, circle)`,
  `CREATE TABLE suppressed_identifier (
     pseudonym text COLLATE "C" PRIMARY KEY,
     since timestamptz NOT NULL DEFAULT clock_timestamp()
   )`,
];

export class IdentityErasureExpiry1763820000000 implements MigrationInterface {
  readonly name = 'IdentityErasureExpiry1763820000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('data keys and suppressions cannot be made again, so they are never dropped'));
  }
}
