import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** `wiped`: an erasure was settled and nothing was allowed since, so nothing of this person is known to be there. */
const wipedSql = `ALTER TABLE delivery ADD COLUMN wiped boolean NOT NULL DEFAULT false`;

/** `imported`: shared before Entente, as the controller says; `first_at` and `last_at` are its times then. */
const importedSql = `ALTER TABLE exposure ADD COLUMN imported boolean NOT NULL DEFAULT false`;

/**
 * The question an accepted revocation leaves: has it taken effect at the partner? At most one for each delivery row. The
 * identifiers are those that were revoked; they go when the question ends, the rest stays as what was answered.
 */
const confirmationSql = `
  CREATE TABLE confirmation (
    controller text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    subject_key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    reference text,
    erasure boolean NOT NULL,
    allowed text[] NOT NULL,
    recipient_purposes text[] NOT NULL,
    sealed text[] NOT NULL,
    digests text[] NOT NULL,
    accepted_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'confirmed', 'failed', 'given-up', 'closed')),
    asks integer NOT NULL DEFAULT 0,
    next_ask_at timestamptz,
    claim_token uuid,
    contradictions integer NOT NULL DEFAULT 0,
    reason text,
    ended_at timestamptz,
    PRIMARY KEY (controller, recipient, subject_key)
  ) WITH (fillfactor = 70)`;
const dueIndexSql = `
  CREATE INDEX confirmation_due ON confirmation (controller, recipient, next_ask_at) WHERE state = 'open'`;
const stateIndexSql = `
  CREATE INDEX confirmation_unsure ON confirmation (controller, recipient, state) WHERE state IN ('open', 'given-up')`;

/** One comparison of a recipient's own store with our rows. Findings name people by subjectKey and are bounded. */
const reconciliationSql = `
  CREATE TABLE reconciliation (
    id uuid PRIMARY KEY,
    controller text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    asked_by text NOT NULL CHECK (asked_by IN ('schedule', 'operator')),
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL,
    ended_at timestamptz,
    reason text,
    counts jsonb NOT NULL DEFAULT '{}',
    findings jsonb NOT NULL DEFAULT '[]'
  )`;
const oneRunningSql = `
  CREATE UNIQUE INDEX reconciliation_running ON reconciliation (controller, recipient) WHERE state = 'running'`;
const newestSql = `CREATE INDEX reconciliation_newest ON reconciliation (controller, recipient, started_at)`;

export class Confirmations1700000000002 implements MigrationInterface {
  readonly name = 'Confirmations1700000000002';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [wipedSql, importedSql, confirmationSql, dueIndexSql, stateIndexSql]) await runner.query(sql);
    for (const sql of [reconciliationSql, oneRunningSql, newestSql]) await runner.query(sql);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['confirmation', 'reconciliation']) await runner.query(`DROP TABLE IF EXISTS ${table}`);
    await runner.query('ALTER TABLE exposure DROP COLUMN imported');
    await runner.query('ALTER TABLE delivery DROP COLUMN wiped');
  }
}
