import { startStack, type Stack } from '@entente/local';
import { createLogger } from '@entente/observability';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { openLoop } from '../open-loop.ts';
import { compared, interleaved, spread } from '../rounds.ts';

/** A few at once on two cores: what one caller feels who waits, not what a queue of them does. */
const perSecond = 10;
/** Withdrawals with one gate dead: the first tells, the others show that it stays so. */
const withDeadGate = 5;
/** design.md §2: the bound, milliseconds. */
const boundMs = 2_000;
/** Of HTTP, database and relay beside the bound, milliseconds. */
const answerSlackMs = 500;

/** B6: the answer of a withdrawal that waits for every gate. */
export const strict: Benchmark = {
  id: 'B6',
  what: `withdrawal with wait=gates, ${perSecond}/s, 3 gates`,
  baseline: 'the same withdrawals with wait=none, in the same system',
  answers: 'What it costs to be told that every gate is closed instead of that the decision is recorded.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const log = createLogger({ service: 'bench', level: 'error' });
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn' });
      try {
        let turn = 0;
        const round = (wait: 'gates' | 'none') => answers(stack, { name: `b6-${(turn += 1)}`, seconds, wait });
        await round('gates');
        const measured = await interleaved<'ours' | 'baseline', Summary>(
          { ours: () => round('gates'), baseline: () => round('none') },
          rounds,
          stealShare,
        );
        for (const one of measured) say(JSON.stringify(one));
        const figure = (what: 'p50' | 'p99', atMost: number) => ({
          ...{ what, unit: 'ms' },
          ...compared(measured, ['ours', 'baseline'], (side) => side[what]),
          target: { of: 'ours', atMost } as const,
        });
        const dead = await besideDeadGate(stack);
        return {
          figures: [
            figure('p50', 20),
            figure('p99', 80),
            {
              ...{ what: 'slowest, one gate killed', unit: 'ms', ours: spread(dead) },
              target: { of: 'ours', atMost: boundMs + answerSlackMs },
            },
          ],
          notes: [
            'From the intended start of the call to its answer, an open loop.',
            `With a gate killed by SIGKILL the answer waits until that gate's lease has certainly ended (D = ${boundMs} ms), and says so.`,
          ],
        };
      } finally {
        await stack.stop();
      }
    }),
};

async function answers(
  stack: Stack,
  { name, seconds, wait }: { readonly name: string; readonly seconds: number; readonly wait: 'gates' | 'none' },
): Promise<Summary> {
  const client = stack.client('operator');
  const latencies = new Latencies();
  const paced = await openLoop({
    perSecond,
    seconds,
    start: async (index, intended) => {
      await client.withdraw(`${name}-${index}`, undefined, wait);
      latencies.add(performance.now() - intended);
    },
  });
  if (paced.failed > 0) throw new Error(`${paced.failed} withdrawals were not answered`, { cause: paced.firstFailure });
  return latencies.summary();
}

/** One after another: those after the lease's end no longer wait for the dead gate. */
async function besideDeadGate(stack: Stack): Promise<number[]> {
  const client = stack.client('operator');
  await stack.services['crm-connector'].signal('SIGKILL');
  const took: number[] = [];
  for (let index = 0; index < withDeadGate; index += 1) {
    const from = performance.now();
    await client.withdraw(`b6-dead-${index}`, undefined, 'gates');
    took.push(performance.now() - from);
  }
  return took;
}
