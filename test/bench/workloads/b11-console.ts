import { setTimeout as pause } from 'node:timers/promises';
import { startStack } from '@entente/local';
import { createLogger } from '@entente/observability';
import { createPool, type Pool } from '@entente/postgres';
import type { Benchmark, Figure } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { spread } from '../rounds.ts';

const recipients = 200;
/** Of the two hundred each withdrawal concerns so many; all of them would be a table of 200 million rows. */
const perChange = 5;
const [wholeRun, shortRun] = [1_000_000, 20_000];
const plantedAtOnce = 20_000;
/** Every fiftieth is open somewhere: 20,000 withdrawals on a very bad day. */
const openEvery = 50;
/** Longer than any view is kept for others who look. */
const betweenMs = 2_100;
const targetMs = 300;
const log = createLogger({ service: 'bench', level: 'error' });

const key = (n: string): string =>
  `'k1.' || left(translate(encode(sha256(${n}::text::bytea), 'base64'), '+/', '-_'), 22)`;
const at = (n: string): string => `now() - make_interval(secs => ($3 - ${n}) * 86400.0 / $3)`;

const plantChanges = `
  INSERT INTO change (controller, subject_key, version, change_id, direction, purposes, granted, committed_at, published_at)
  SELECT 'acme', ${key('n')}, 1, gen_random_uuid(), 'deny', '{personalised-ads}', '{}', ${at('n')}, ${at('n')}
    FROM generate_series($1::int, $2::int) n`;

const plantPropagations = `
  INSERT INTO propagation (controller, subject_key, version, recipient, committed_at, state, outcome, attempts, deadlines_judged,
    reason, consumed_at, gate_closed_at, gate_closed_by, accepted_at, settled_at, visible_at)
  SELECT 'acme', ${key('n')}, 1, 'bench-' || ((n * 7 + k * 41) % ${recipients}), t, state, CASE WHEN done THEN 'accepted' END, 1, 3,
    CASE state WHEN 'parked' THEN 'missing-identifier' WHEN 'retrying' THEN 'http-503' END,
    t + interval '20 ms', t + interval '40 ms', 'confirmation', CASE WHEN done THEN t + interval '400 ms' END,
    CASE WHEN done THEN t + interval '400 ms' END, CASE WHEN done THEN t + interval '430 ms' END
  FROM generate_series($1::int, $2::int) n CROSS JOIN generate_series(1, ${perChange}) k
  CROSS JOIN LATERAL (SELECT ${at('n')} AS t, n % ${openEvery} <> 0 OR k > 1 AS done) AS one
  CROSS JOIN LATERAL (SELECT CASE WHEN done THEN 'accepted'
    ELSE (ARRAY['waiting', 'retrying', 'parked'])[1 + (n / ${openEvery}) % 3] END AS state) AS two`;

/** What each page of the console costs the server, whatever stands in the tables. */
export const consolePages: Benchmark = {
  id: 'B11',
  what: `the console's pages over ${wholeRun.toLocaleString('en')} withdrawals and ${recipients} recipients`,
  baseline: 'nothing; the target is absolute',
  answers: 'Whether an operator can still look when most is wrong. With fewer --rows so many are planted.',
  run: async ({ rounds, rows, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'error' });
      const pool = createPool({ url: infrastructure.databaseUrl, schema: 'ops', name: 'bench', max: 1 });
      try {
        const changes = Math.min(wholeRun, Math.max(shortRun, rows));
        await plant(pool, changes, say);
        const token = await stack.token('operator');
        const figures: Figure[] = [];
        for (const [what, path, body] of await pagesOf(pool, stack.urls.ops, token)) {
          const times: number[] = [];
          for (let round = 0; round < rounds; round += 1) {
            times.push(await timed(`${stack.urls.ops}${path}`, token, body));
            await pause(betweenMs);
          }
          figures.push({ what, unit: 'ms', ours: spread(times), target: { of: 'ours', atMost: targetMs } });
          say(`  ${what}: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
        }
        return {
          figures,
          notes: [
            `${changes.toLocaleString('en')} withdrawals at ${perChange} of the recipients each, every ${openEvery}th open at one; asked over HTTP, none from a kept view.`,
          ],
        };
      } finally {
        await pool.end();
        await stack.stop();
      }
    }),
};

async function plant(pool: Pool, changes: number, say: (line: string) => void): Promise<void> {
  await pool.query(
    `INSERT INTO recipient (controller, id, name, kind, active)
     SELECT 'acme', 'bench-' || n, 'Bench ' || n, 'ad-partner', true FROM generate_series(0, ${recipients - 1}) n`,
  );
  for (let from = 1; from <= changes; from += plantedAtOnce) {
    const values = [from, Math.min(changes, from + plantedAtOnce - 1), changes];
    await pool.query(plantChanges, values);
    await pool.query(plantPropagations, values);
    if (from % 200_000 === 1) say(`  ${from.toLocaleString('en')} of ${changes.toLocaleString('en')} planted`);
  }
  await pool.query('ANALYZE');
}

type PageRequest = readonly [what: string, path: string, body?: object];

async function pagesOf(pool: Pool, opsUrl: string, token: string): Promise<PageRequest[]> {
  const { rows } = await pool.query<{ id: string; key: string }>(
    `SELECT 'chg_' || change_id AS id, subject_key AS key FROM change WHERE controller = 'acme' ORDER BY committed_at DESC LIMIT 1`,
  );
  const { id = '', key: subjectKey = '' } = rows[0] ?? {};
  let after: string | null = null;
  for (let page = 0; page < 20; page += 1) {
    const query: string = after === null ? '' : `&after=${after}`;
    const answer = await fetch(`${opsUrl}/v1/stuck?limit=200${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    ({ next: after } = (await answer.json()) as { next: string | null });
    if (after === null) break;
  }
  return [
    ['overview', '/v1/overview'],
    ['status (CLI)', '/v1/status'],
    ['not enforced, first page', '/v1/stuck'],
    ['not enforced, one recipient and state', '/v1/stuck?recipient=bench-7&state=parked'],
    ...(after === null ? [] : [['not enforced, twentieth page of 200', `/v1/stuck?limit=200&after=${after}`] as const]),
    ['parked', '/v1/parked'],
    ['one recipient', '/v1/connectors/bench-7'],
    ['one withdrawal', `/v1/propagations/${id}`],
    ['a person', '/v1/people/find', { subjectKey, reason: 'benchmark' }],
    ['canaries', '/v1/canaries'],
    ['audit', '/v1/audit'],
  ];
}

async function timed(url: string, token: string, body?: object): Promise<number> {
  const began = performance.now();
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${new URL(url).pathname} answered ${response.status}`);
  return performance.now() - began;
}
