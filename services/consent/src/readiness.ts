import type { HealthCheck } from '@entente/http';
import { pendingMigrations } from '@entente/postgres';
import { CONSENT_SCHEMA, consentMigrations } from './migrations/index.ts';
import type { ConsentParts } from './consent-parts.ts';

/** A relay that made no full pass for this long keeps every gate closed, in milliseconds. */
const passLateMs = 5_000;

/** What must be fine before this process wants traffic. Kafka is not among it: recording goes on without (design.md §2). */
export function readinessChecks({ pool, relay, decisionPoint }: ConsentParts): HealthCheck[] {
  const database: HealthCheck = {
    name: 'database',
    check: async () => {
      await pool.query('SELECT 1');
      return { ok: true };
    },
  };
  const migrations: HealthCheck = {
    name: 'migrations',
    check: async () => {
      const pending = await pendingMigrations(pool, { schema: CONSENT_SCHEMA, migrations: consentMigrations });
      return pending.length === 0 ? { ok: true } : { ok: false, detail: `pending: ${pending.join(', ')}` };
    },
  };
  const decisions: HealthCheck = {
    name: 'decisions',
    check: () => {
      const unseeded = decisionPoint.unseeded();
      const detail = `gates not seeded yet: ${unseeded.join(', ')}`;
      return Promise.resolve(unseeded.length === 0 ? { ok: true } : { ok: false, detail });
    },
  };
  if (relay === undefined) return [database, migrations, decisions];
  const publishing: HealthCheck = {
    name: 'relay',
    check: () => {
      const { connected, lost, msSincePass } = relay.state();
      if (!connected) return Promise.resolve({ ok: false, detail: 'no database session' });
      if (lost.length > 0) return Promise.resolve({ ok: false, detail: 'a log contradicts the ledger (RST-4)' });
      // Late passes are told but do not stop traffic: while Kafka is away, recording goes on.
      const late = msSincePass !== null && msSincePass > passLateMs;
      return Promise.resolve(late ? { ok: true, detail: 'passes are late' } : { ok: true });
    },
  };
  return [database, migrations, decisions, publishing];
}
