import { topicSettings } from '@entente/contracts';
import type { Broker } from '@entente/local';
import type { Random } from '../../../sim/engine/random.ts';
import { asAdmin } from '../stranger.ts';
import type { World } from '../world.ts';
import { second, type Fault } from './fault.ts';
import { loseUnflushed } from './unflushed.ts';

/** F2: one broker after the other, and two at once: of three, two must hold a record before it is acknowledged. F3: and one that forgets. */
export const brokerFaults = ({ infrastructure: { kafka, bootstrap } }: World, random: Random): Fault[] => [
  ...kafka.brokers.flatMap((broker) => [brokerKilled(broker), brokerStopped(broker), brokerEnded(broker)]),
  twoBrokersKilled(kafka.brokers),
  ...kafka.brokers.map((broker) => unflushedLost(broker, bootstrap, random)),
];

const brokerKilled = (broker: Broker): Fault => ({
  ...{ id: 'F2', how: 'broker kill -9', target: `broker-${broker.id}`, lasts: [second, 8 * second] },
  async impose() {
    await broker.kill('SIGKILL');
    return { event: { what: 'kill', target: 'kafka' }, heal: () => broker.start() };
  },
});

const brokerEnded = (broker: Broker): Fault => ({
  ...{ id: 'F2', how: 'broker restarted in order', target: `broker-${broker.id}`, lasts: [second / 2, 2 * second] },
  async impose() {
    await broker.kill('SIGTERM');
    return { event: { what: 'other', target: 'kafka' }, heal: () => broker.start() };
  },
});

const brokerStopped = (broker: Broker): Fault => ({
  ...{ id: 'F2', how: 'broker SIGSTOP', target: `broker-${broker.id}`, lasts: [second, 8 * second] },
  async impose() {
    await broker.kill('SIGSTOP');
    return { event: { what: 'stop', target: 'kafka' }, heal: () => broker.kill('SIGCONT') };
  },
});

const twoBrokersKilled = (brokers: readonly Broker[]): Fault => ({
  ...{ id: 'F2', how: 'two of three brokers kill -9', target: 'brokers', lasts: [2 * second, 6 * second] },
  async impose() {
    const two = brokers.slice(0, 2);
    await Promise.all(two.map((broker) => broker.kill('SIGKILL')));
    return {
      event: { what: 'kill', target: 'kafka', cutsProof: 'all' },
      heal: async () => void (await Promise.all(two.map((broker) => broker.start()))),
    };
  },
});

/**
 * F3: "broker loses unflushed tail (kill + truncate last segment on one node)". Two in sync hold what was acknowledged; a broker
 * that is the only one is no case of it.
 */
const unflushedLost = (broker: Broker, bootstrap: readonly string[], random: Random): Fault => ({
  ...{ id: 'F3', how: 'broker kill -9, what it had not flushed lost', target: `broker-${broker.id}` },
  lasts: [second / 2, 6 * second],
  async impose() {
    const { logDirectory } = broker;
    if (logDirectory === undefined || !(await othersHoldAll(broker, bootstrap))) return null;
    await broker.kill('SIGKILL');
    const torn = await loseUnflushed(logDirectory, random);
    return {
      event: { what: 'kill', target: 'kafka' },
      async heal() {
        await broker.start();
        return torn;
      },
    };
  },
});

/** Whether every partition has a replica in sync on two brokers beside this one. */
async function othersHoldAll({ id }: Broker, bootstrap: readonly string[]): Promise<boolean> {
  const topics = topicSettings.map(({ name }) => name);
  try {
    const { topics: known } = await asAdmin(bootstrap, (admin) => admin.metadata({ topics, forceUpdate: true }));
    return [...known.values()].every(({ partitions }) =>
      partitions.every(({ isr }) => isr.filter((replica) => replica !== id).length >= 2),
    );
  } catch {
    return false;
  }
}
