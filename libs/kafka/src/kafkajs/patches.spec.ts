import { expect, test } from '@jest/globals';
import { runnerClass, type Batch } from './internals.ts';
import { patchClient } from './patches.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, namespace: (): object => silent };

/** A loop that is to end asks a handful of times; one that does not leaves no timer a turn, so nothing else could end it. */
const mostLooks = 1_000;

test('a consumer stopped while a broker comes back leaves the process its turns', async () => {
  patchClient();
  const brokers = ['1', '2'];
  let looks = 0;
  const { promise: answered, resolve: answer } = Promise.withResolvers<Batch[]>();
  const runner = new runnerClass({
    logger: silent,
    consumerGroup: {
      getNodeIds: () => {
        looks += 1;
        if (looks > mostLooks) throw new Error('it fetches for ever');
        return [...brokers];
      },
      fetch: (nodeId: string) => (nodeId === '1' ? Promise.resolve([]) : answered),
      heartbeat: () => Promise.resolve(),
    },
    instrumentationEmitter: { emit: () => {} },
    onCrash: () => {},
    concurrency: 1,
  });
  runner.running = true;
  const fetching = runner.fetchManager.start();
  brokers.push('3');
  await new Promise((resolve) => setImmediate(resolve));
  // The loop of broker 1 has seen the third one, and waits for that of broker 2 to end before all begin anew.
  runner.running = false;
  await runner.fetchManager.stop();
  answer([]);
  await fetching;
  expect(await new Promise((resolve) => setImmediate(() => resolve('a turn')))).toBe('a turn');
});
