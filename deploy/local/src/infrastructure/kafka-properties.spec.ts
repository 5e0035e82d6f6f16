import { describe, expect, test } from '@jest/globals';
import { kafkaProperties, type BrokerPlace } from './kafka-properties.ts';

const place = (id: number): BrokerPlace => ({
  id,
  port: 16_000 + id,
  controllerPort: 17_000 + id,
  logDirectory: `/data/n${id}`,
});

const settingsOf = (id: number, count: number): Record<string, string> =>
  Object.fromEntries(
    kafkaProperties(
      place(id),
      Array.from({ length: count }, (_, index) => place(index + 1)),
    )
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

describe('the settings of a broker', () => {
  test('alone: one copy of everything, and no topic made by accident', () => {
    expect(settingsOf(1, 1)).toMatchObject({
      'controller.quorum.voters': '1@127.0.0.1:17001',
      'advertised.listeners': 'PLAINTEXT://127.0.0.1:16001',
      'auto.create.topics.enable': 'false',
      'group.initial.rebalance.delay.ms': '0',
      'offsets.topic.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
    });
  });

  test('of three: the same voters everywhere, three copies of which two must agree', () => {
    const [first, third] = [settingsOf(1, 3), settingsOf(3, 3)];
    expect(first['controller.quorum.voters']).toBe('1@127.0.0.1:17001,2@127.0.0.1:17002,3@127.0.0.1:17003');
    expect(third['controller.quorum.voters']).toBe(first['controller.quorum.voters']);
    expect(third).toMatchObject({
      'node.id': '3',
      listeners: 'PLAINTEXT://127.0.0.1:16003,CONTROLLER://127.0.0.1:17003',
      'log.dirs': '/data/n3',
      'default.replication.factor': '3',
      'offsets.topic.replication.factor': '3',
      'transaction.state.log.min.isr': '2',
      'broker.session.timeout.ms': '3000',
    });
  });
});
