import 'reflect-metadata';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { kafkaBootstrap, waitFor } from '@entente/test-support';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload, type MicroserviceOptions } from '@nestjs/microservices';
import { randomUUID } from 'node:crypto';
import { createKafka, type Kafka } from '../index.ts';
import { KafkaEventContext, KafkaEventServer, type RecordBatch } from './index.ts';

/** A machine of two cores that builds and tests other things too. */
jest.setTimeout(60_000);

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const changes = `nest.changes.${randomUUID()}`;
const revocations = `nest.revocations.${randomUUID()}`;
const seen: string[] = [];
let failures = 2;

@Controller()
class Consumers {
  @EventPattern<string>(changes)
  async onChanges(@Payload() { tp, records, epoch }: RecordBatch, @Ctx() context: KafkaEventContext): Promise<void> {
    expect([context.tp, context.source.state().epoch]).toEqual([tp, epoch]);
    if (failures-- > 0) throw new Error('store away');
    seen.push(...records.map((r) => `changes ${String(r.value)}`));
  }

  @EventPattern<string>(revocations)
  onRevocations(@Payload() { records }: RecordBatch): void {
    seen.push(...records.map((r) => `revocations ${String(r.value)}`));
  }
}

@Module({ controllers: [Consumers] })
class ConsumersModule {}

let kafka: Kafka;

beforeAll(async () => {
  kafka = createKafka({ clientId: 'nest', brokers: kafkaBootstrap(), log });
  const spec = { partitions: 1, replicationFactor: 1, config: {} };
  await kafka.admin().ensureTopics([changes, revocations].map((name) => ({ name, ...spec })));
});

afterAll(async () => {
  await kafka.admin().deleteTopics([changes, revocations]);
  await kafka.close();
});

test('@EventPattern handlers get batches by topic, again after an error, and close() leaves the group', async () => {
  const source = kafka.source();
  const strategy = new KafkaEventServer({
    source,
    log,
    groupId: `nest-${randomUUID()}`,
    commitAfterRecords: true,
    drainMs: 2000,
  });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(ConsumersModule, { strategy, logger: false });
  await app.listen();
  // The first group of a new broker waits for its coordinator; only what the handlers cause counts here.
  const { rebuilds } = source.state();
  const publisher = kafka.publisher();
  const record = (topic: string, value: string) => ({ topic, partition: 0, key: null, value: Buffer.from(value) });
  await publisher.publish([record(changes, '1'), record(changes, '2'), record(revocations, '3')]);
  await waitFor(() => seen.length === 3, { what: 'all three records' });
  expect([...seen].sort()).toEqual(['changes 1', 'changes 2', 'revocations 3']);
  expect(seen[0]).toBe('revocations 3');
  expect(source.state()).toMatchObject({ running: true, rebuilds, rebalances: 0 });
  await app.close();
  expect(source.state().running).toBe(false);
});
