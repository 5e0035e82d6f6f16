import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { interleaved, ratios, spread } from '../rounds.ts';
import { agreed, allRevoked, setFaults, stackWithPreloaded } from './preloaded-partners.ts';
import { openLoop } from '../open-loop.ts';
import type { Stack } from '@entente/local';

const [slow, other] = ['slow-crm', 'other-crm'];
/** Half of what the partner's limit allows, so that its limit is not what is measured. */
const perSecond = 8;

/** One partner that answers after two seconds, and another of the same service: how much later is the other one served? */
export const isolation: Benchmark = {
  id: 'isolation',
  what: `withdrawal → effect at a partner, ${perSecond}/s, while another partner of the same service is slow`,
  baseline: 'the same, with both partners quick',
  answers: 'Whether one slow partner delays the others (head-of-line blocking).',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await stackWithPreloaded(infrastructure, [slow, other]);
      try {
        let turn = 0;
        const side = async (faults: readonly object[]): Promise<Summary> => {
          await setFaults(stack, slow, faults);
          return withdrawals(stack, `isolation-${(turn += 1)}`, seconds);
        };
        await side([]);
        const measured = await interleaved<Summary>(
          { ours: () => side([{ kind: 'slow', ms: 2_000 }]), baseline: () => side([]) },
          rounds,
          stealShare,
        );
        for (const round of measured) say(JSON.stringify(round));
        const figure = (what: 'p50' | 'p99') => ({
          ...{ what, unit: 'ms' },
          ours: spread(measured.map((round) => round.ours[what])),
          baseline: spread(measured.map((round) => round.baseline[what])),
          ratio: ratios(measured, (of) => of[what]),
        });
        return {
          figures: [figure('p50'), { ...figure('p99'), target: { of: 'ratio', atMost: 1.2 } }],
          notes: [
            'From the intended start of the withdrawal to its effect at the quick partner, by that partner’s own log. Both are HubSpots ' +
              'of the same connector service, with queues, limits and breakers of their own.',
          ],
        };
      } finally {
        await stack.stop();
      }
    }),
};

async function withdrawals(stack: Stack, name: string, seconds: number): Promise<Summary> {
  const people = await agreed(stack, name, Math.round(perSecond * seconds));
  const client = stack.client('operator');
  const intendedAt = new Map<string, number>();
  const toClock = Number(process.hrtime.bigint() / 1_000n) / 1_000 - performance.now();
  const paced = await openLoop({
    perSecond,
    seconds: people.length / perSecond,
    start: async (index, intended) => {
      const subjectId = people[index] ?? '';
      intendedAt.set(subjectId, intended + toClock);
      await client.withdraw(subjectId);
    },
  });
  if (paced.failed > 0) throw new Error(`${paced.failed} withdrawals were not answered`, { cause: paced.firstFailure });
  const { revoked } = await allRevoked(stack, other, people);
  const latencies = new Latencies();
  for (const [subjectId, at] of revoked) latencies.add(Math.max(0, at - (intendedAt.get(subjectId) ?? at)));
  return latencies.summary();
}
