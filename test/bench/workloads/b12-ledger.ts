import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { repositoryFile, startStack } from '@entente/local';
import { createLogger } from '@entente/observability';
import { createPool, type Pool } from '@entente/postgres';
import { appendCosts } from '../append-cost.ts';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { spread } from '../rounds.ts';

const mostEntries = 300_000;
const plantedAtOnce = 20_000;
const log = createLogger({ service: 'bench', level: 'error' });
const run = promisify(execFile);

/** An entry as a withdrawal of one of three purposes makes it, about 700 bytes. */
const entry = (id: string, key: string, at: string) => `
  jsonb_build_object('changeId', ${id}::text, 'controller', 'acme', 'subjectKey', ${key}, 'version', 1, 'catalogue', 1,
    'direction', 'deny', 'recipients', '["hubspot-crm"]'::jsonb, 'committedAt', ${at},
    'actor', '{"route": "POST /v1/withdrawals", "client": "preference-centre"}'::jsonb,
    'changes', '[{"purpose": "email-marketing", "from": "granted", "to": "withdrawn", "cause": "person"}]'::jsonb,
    'vector', (SELECT jsonb_object_agg(p, '{"since": "2026-11-22T09:00:00.000000Z", "notice": "privacy@1", "decision": "granted"}'::jsonb)
                 FROM unnest('{email-marketing,product-analytics,personalised-ads}'::text[]) p))::text`;

const plantSql = `
  WITH planted AS (
    INSERT INTO ledger_entry (change_id, controller, subject_key, version, purposes, entry, committed_at)
    SELECT id, 'acme', key, 1, '{email-marketing}', ${entry('id', 'key', `'2026-11-22T09:00:00.000000Z'::text`)}, '2026-11-22T09:00:00Z'
      FROM (SELECT gen_random_uuid() AS id, 'k1.' || left(translate(encode(sha256(n::text::bytea), 'base64'), '+/', '-_'), 22) AS key
              FROM generate_series($1::int, $2::int) n) people
    RETURNING id)
  INSERT INTO ledger_pending (entry_id) SELECT id FROM planted`;

/** Verification of a whole ledger by the command, and what provability costs the write path. */
export const ledger: Benchmark = {
  id: 'B12',
  what: '`entente ledger verify` over the whole ledger, and the cost of an append',
  baseline: 'for a change: the same transactions of the recording core without the part in question',
  answers: 'How long an auditor waits for a verdict on the whole ledger, and what provability costs a withdrawal.',
  run: async ({ rounds, rows, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'error' });
      const pool = createPool({ url: infrastructure.databaseUrl, schema: 'consent', name: 'bench', max: 1 });
      try {
        const entries = Math.min(mostEntries, rows);
        await plant(pool, entries);
        await signed(stack.urls.consent, entries);
        say(`${entries} entries planted, numbered and signed`);
        const token = await stack.token('operator');
        const key = (await textOf(`${stack.urls.consent}/v1/ledger/key`)).trim();
        const against = ['--key', key, '--checkpoints', `${stack.runDirectory}/ledger`];
        const verify = async (...from: string[]): Promise<number> => {
          const cli = repositoryFile('deploy/local/dist/cli/main.js');
          const { stdout } = await run(process.execPath, [cli, 'ledger', 'verify', ...from, ...against, '--json']);
          const verdict = JSON.parse(stdout) as { ok: boolean; entries: number; perSecond: number };
          if (!verdict.ok || verdict.entries < entries) throw new Error(`a wrong verdict: ${stdout}`);
          return verdict.perSecond;
        };
        const [stored, served]: [number[], number[]] = [[], []];
        for (let round = 0; round < rounds; round += 1) {
          stored.push(await verify('--database-url', infrastructure.databaseUrl));
          served.push(await verify('--consent-url', stack.urls.consent, '--token', token));
        }
        const { provability, entry: row } = await appendCosts(infrastructure.databaseUrl, rounds);
        return {
          figures: [
            {
              ...{ what: 'entries verified, from the database, its rows included', unit: '1/s', ours: spread(stored) },
              target: { of: 'ours', atLeast: 80_000 },
            },
            {
              ...{ what: 'entries verified, from the service', unit: '1/s', ours: spread(served) },
              target: { of: 'ours', atLeast: 80_000 },
            },
            {
              ...{
                what: 'a change recorded, provably, against a history without salt and queue',
                unit: 'µs',
                ...provability,
              },
              target: { of: 'ratio', atMost: 1.1 },
            },
            { what: 'the same, against state and outbox without any ledger row', unit: 'µs', ...row },
          ],
          notes: [
            `${entries.toLocaleString('en')} entries of about 700 bytes.`,
            'Appends: processor time of the recording core and of its server, 200 changes a transaction. Salt and place in the queue are all that provability adds to the write path; numbers, tree and checkpoints are made beside it.',
          ],
        };
      } finally {
        await pool.end();
        await stack.stop();
      }
    }),
};

async function plant(pool: Pool, entries: number): Promise<void> {
  for (let from = 1; from <= entries; from += plantedAtOnce)
    await pool.query(plantSql, [from, Math.min(entries, from + plantedAtOnce - 1)]);
  for (let pending = 1; pending > 0;) {
    const { rows } = await pool.query<{ pending: number }>(
      'SELECT pg_sleep(0.2), count(*)::int AS pending FROM ledger_pending',
    );
    pending = rows[0]?.pending ?? 0;
  }
}

const textOf = async (url: string): Promise<string> => (await fetch(url)).text();

/** The second line of a checkpoint is its size. */
async function signed(consentUrl: string, entries: number): Promise<void> {
  while (!(Number((await textOf(`${consentUrl}/v1/ledger/checkpoint`)).split('\n')[1]) >= entries)) await pause(500);
}
