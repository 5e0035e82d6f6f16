import { setTimeout as pause } from 'node:timers/promises';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { spread } from '../rounds.ts';
import {
  agreed,
  allRevoked,
  hubspotCallsPerSecond,
  setFaults,
  stackWithLimited,
  withdrawn,
} from './preloaded-partners.ts';

const wholeCrowd = 10_000;
const recipient = 'drained-crm';
/** The breaker's longest pause, and a first batch: until then the partner is not asked as fast as it could be. */
const warmUpMs = 20_000;

/** 10,000 withdrawals wait for a partner that was down; it comes back, and its limit decides how long it takes. */
export const drain: Benchmark = {
  id: 'drain',
  what: 'a backlog of withdrawals → the partner, at the partner’s own limit of calls',
  baseline: 'the limit itself: calls × time',
  answers: 'How much of a partner’s rate limit is wasted while people wait for it.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await stackWithLimited(infrastructure, recipient);
      try {
        const wasted: number[] = [];
        const perSecond: number[] = [];
        const tooMany: number[] = [];
        for (let round = 0; round < rounds; round += 1) {
          const count = Math.min(wholeCrowd, Math.round(seconds * hubspotCallsPerSecond));
          const people = await agreed(stack, `drain-${round}`, count);
          await setFaults(stack, recipient, [{ kind: 'down' }]);
          await withdrawn(stack, people);
          await setFaults(stack, recipient, []);
          const patienceMs = (3 * count * 1_000) / hubspotCallsPerSecond + 60_000;
          const { requests, refused, revoked } = await allRevoked(stack, recipient, people, patienceMs);
          const times = [...revoked.values()].sort((a, b) => a - b);
          const [first = 0, last = 0] = [times[0], times.at(-1)];
          const from = Math.min(first + warmUpMs, (first + last) / 2);
          const asked = requests.filter((at) => at >= from && at <= last).length;
          const useful = times.filter((at) => at >= from).length;
          const possible = ((last - from) / 1_000) * hubspotCallsPerSecond;
          tooMany.push(refused.filter((at) => at >= from && at <= last).length);
          wasted.push(100 * (1 - useful / possible));
          perSecond.push(useful / ((last - from) / 1_000));
          say(
            `round ${round + 1}: ${useful} revocations in ${asked} calls, ${tooMany.at(-1)} refused as too many; ${possible.toFixed(0)} were possible`,
          );
          await pause(1_000);
        }
        return {
          figures: [
            { what: 'of the limit wasted', unit: '%', ours: spread(wasted), target: { of: 'ours', atMost: 5 } },
            { what: 'revocations', unit: '/s', ours: spread(perSecond) },
            { what: 'calls refused as too many', unit: '', ours: spread(tooMany) },
          ],
          notes: [
            `HubSpot’s limit of 190 calls in any 10 s, kept by its server, one call for each person; ${wholeCrowd} people need --seconds ` +
              `${Math.ceil(wholeCrowd / hubspotCallsPerSecond)}. Wasted is what was not a first revocation of somebody, questions ` +
              'about accepted ones included; measured from the partner’s own log, once it is asked at full speed again.',
          ],
        };
      } finally {
        await stack.stop();
      }
    }),
};
