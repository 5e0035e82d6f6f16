import type { Broker } from '@entente/local';
import { second, type Fault } from './fault.ts';

/** F2: one broker after the other, and two at once: of three, two must hold a record before it is acknowledged. */
export const brokerFaults = (brokers: readonly Broker[]): Fault[] => [
  ...brokers.flatMap((broker) => [brokerKilled(broker), brokerStopped(broker), brokerEnded(broker)]),
  twoBrokersKilled(brokers),
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
