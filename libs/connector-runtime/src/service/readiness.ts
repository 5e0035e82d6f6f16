import type { HealthCheck } from '@entente/http';
import type { EventSource } from '@entente/kafka';
import type { ConnectorParts } from './connector-parts.ts';

/** What a connector needs to do its work. A stale gate is reported but does not unready: its shares wait, none is lost. */
export function readinessChecks(parts: ConnectorParts, sources: ReadonlyMap<string, EventSource>): HealthCheck[] {
  return [
    {
      name: 'database',
      check: async () => {
        await parts.pool.query('SELECT 1');
        return { ok: true };
      },
    },
    {
      name: 'migrations',
      check: async () => {
        const pending = await parts.pendingMigrations();
        return pending.length === 0 ? { ok: true } : { ok: false, detail: `pending: ${pending.join(', ')}` };
      },
    },
    {
      name: 'gate',
      check: () => {
        const { seeded, open, reason, phase } = parts.gate.status();
        return Promise.resolve({ ok: seeded, detail: open ? 'open' : `${phase}, stale: ${reason ?? 'partitions'}` });
      },
    },
    {
      name: 'catalogue',
      check: () => Promise.resolve({ ok: parts.keeper.number > 0, detail: `number ${parts.keeper.number}` }),
    },
    {
      name: 'consumers',
      check: () => {
        const idle = [...sources].filter(([, source]) => !source.state().running).map(([topic]) => topic);
        return Promise.resolve(
          idle.length === 0 ? { ok: true } : { ok: false, detail: `not reading ${idle.join(', ')}` },
        );
      },
    },
  ];
}
