import { setTimeout as pause } from 'node:timers/promises';
import { startStack } from '@entente/local';
import { createLogger } from '@entente/observability';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { processMemory } from '../machine.ts';
import { spread } from '../rounds.ts';
import { cpuOf, sum, used } from '../service-use.ts';

/** After it nothing of the start is left to do. */
const settleMs = 20_000;
const log = createLogger({ service: 'bench', level: 'error' });

/** What the whole costs while nothing happens. */
export const idle: Benchmark = {
  id: 'idle',
  what: 'the idle system: five services, three of them with gates',
  baseline: 'nothing; the targets are absolute',
  answers: 'What it costs to be able to know within two seconds: beats, passes and watermarks never rest.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn' });
      try {
        await pause(settleMs);
        const pids = Object.values(stack.services).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
        const cores: number[] = [];
        const brokers: number[] = [];
        const databases: number[] = [];
        const resident: number[] = [];
        const own: number[] = [];
        for (let round = 0; round < rounds; round += 1) {
          const before = cpuOf(stack, infrastructure);
          const began = performance.now();
          await pause(seconds * 1_000);
          const share = 100 / ((performance.now() - began) / 1_000);
          const { services, broker, database } = used(before, cpuOf(stack, infrastructure));
          say(`  ${JSON.stringify(services)}`);
          cores.push(share * sum(Object.values(services)));
          brokers.push(share * broker);
          databases.push(share * database);
          const memory = pids.map(processMemory);
          resident.push(sum(memory.map(({ residentMb }) => residentMb)));
          own.push(sum(memory.map(({ shareMb }) => shareMb)));
        }
        return {
          figures: [
            { what: 'all services', unit: '% of a core', ours: spread(cores), target: { of: 'ours', atMost: 10 } },
            { what: 'all services, resident', unit: 'MB', ours: spread(resident), target: { of: 'ours', atMost: 700 } },
            { what: 'all services, shared pages counted once', unit: 'MB', ours: spread(own) },
            { what: 'the broker meanwhile', unit: '% of a core', ours: spread(brokers) },
            { what: 'the database meanwhile', unit: '% of a core', ours: spread(databases) },
          ],
          notes: ['By /proc, from 20 s after the start; nobody calls and nothing scrapes.'],
        };
      } finally {
        await stack.stop();
      }
    }),
};
