import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { startStack } from '@entente/local';
import { createLogger } from '@entente/observability';
import { createPool } from '@entente/postgres';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { plantSubjects } from '../planted-subjects.ts';
import { spread } from '../rounds.ts';
import { withdrawals, type WithdrawalTimes } from '../withdrawals.ts';

/** What two cores carry with room to spare, so that what is compared is not the queue before them. */
const perSecond = 20;
const smallest = 100_000;
/** Ten million people take a gate some minutes. */
const seedingMs = 600_000;
const log = createLogger({ service: 'bench', level: 'error' });
const connectors = ['crm-connector', 'analytics-connector', 'ad-partner-connector'] as const;

/** B10: whether what stands in the tables and replicas is felt by whoever withdraws. */
export const subjectsSweep: Benchmark = {
  id: 'B10',
  what: `withdrawal → every gate closed, ${perSecond}/s, by how many people are known`,
  baseline: `the same with ${smallest.toLocaleString('en')} people known`,
  answers:
    'It answers STC-bench’s and GDPRbench’s question of scale: what the size of the record does to the time of a request.',
  run: async ({ rounds, seconds, rows, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn' });
      const pool = createPool({ url: infrastructure.databaseUrl, schema: 'ops', name: 'bench', max: 1 });
      try {
        const largest = Math.max(rows, 10 * smallest);
        const sizes = [smallest, largest];
        for (let size = smallest * 10; size < largest; size *= 10) sizes.splice(-1, 0, size);
        const measured = new Map<number, WithdrawalTimes[]>();
        for (const [at, size] of sizes.entries()) {
          await plantSubjects(infrastructure.databaseUrl, at === 0 ? 0 : sizes[at - 1]!, size);
          await pool.query('ANALYZE');
          await seedAgain();
          say(`${size.toLocaleString('en')} people known to every gate`);
          const round = (name: string) => withdrawals(stack, pool, { name, seconds, perSecond });
          await round(`warm-up-${size}`);
          const times: WithdrawalTimes[] = [];
          for (let turn = 0; turn < rounds; turn += 1) times.push(await round(`b10-${size}-${turn}`));
          measured.set(size, times);
          say(JSON.stringify(times));
        }
        const of = (size: number, side: 'propagation' | 'answer', figure: 'p50' | 'p99') =>
          spread((measured.get(size) ?? []).map((one) => one[side][figure]));
        const against = (side: 'propagation' | 'answer', figure: 'p50' | 'p99') => {
          const [ours, baseline] = [of(largest, side, figure), of(smallest, side, figure)];
          const ratio = spread((measured.get(largest) ?? []).map((one) => one[side][figure] / baseline.median));
          return { unit: 'ms', ours, baseline, ratio };
        };
        const line = (name: string, side: 'propagation' | 'answer', figure: 'p50' | 'p99') => ({
          name,
          points: sizes.map((size) => [size, of(size, side, figure).median] as const),
        });
        return {
          figures: [
            { what: `gates closed, p50, ${largest.toLocaleString('en')} people`, ...against('propagation', 'p50') },
            {
              ...{
                what: `gates closed, p99, ${largest.toLocaleString('en')} people`,
                ...against('propagation', 'p99'),
              },
              target: { of: 'ratio', atMost: 1.5 },
            },
            { what: `answer, p99, ${largest.toLocaleString('en')} people`, ...against('answer', 'p99') },
          ],
          notes: [
            'People are put straight into the consent service’s state, and every gate is seeded anew with them; sizes follow one another in one system, so what else a run does to a machine is in the ratio too. --rows 10000000 measures ten million.',
          ],
          sweep: {
            title: 'Withdrawals by the number of people known',
            ...{ x: 'people', y: 'milliseconds' },
            lines: [
              line('gates closed, p50', 'propagation', 'p50'),
              line('gates closed, p99', 'propagation', 'p99'),
              line('answer, p99', 'answer', 'p99'),
            ],
          },
        };

        /** What was planted past the logs reaches a gate by its snapshot alone, so every gate begins from an empty directory. */
        async function seedAgain(): Promise<void> {
          for (const name of connectors) {
            const service = stack.services[name];
            await service.signal('SIGTERM');
            await rm(String(service.definition.env['GATE_DIR']), { recursive: true, force: true });
            await service.start();
            await seeded(service.definition.readyUrl);
          }
        }
      } finally {
        await pool.end();
        await stack.stop();
      }
    }),
};

/** Ready is a connector once its gate is open, which is once it has taken in the whole snapshot. */
async function seeded(readyUrl: string): Promise<void> {
  const until = performance.now() + seedingMs;
  for (;;) {
    const ready = await fetch(readyUrl).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return;
    if (performance.now() > until) throw new Error(`${readyUrl} is not ready after ${seedingMs} ms`);
    await pause(500);
  }
}
