import { connectorContract, newPerson, RuntimeUnderTest, type TestPerson } from '@entente/connector-runtime/testing';
import { spawnContractServer, type SpawnedContractServer } from '@entente/contract-servers';
import { deriveIdentifiers, purposeId } from '@entente/contracts';
import { testDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { xAds } from './definition.ts';

const ads = purposeId('personalised-ads');
const lookalikes = purposeId('lookalikes');
const audiences = { 'personalised-ads': '1nmth', lookalikes: '2906h' };
const keys = {
  consumerKey: 'contract-consumer-key',
  consumerSecret: 'contract-consumer-secret',
  accessToken: 'contract-access-token',
  accessTokenSecret: 'contract-token-secret',
};

interface XState {
  readonly audiences: readonly string[];
}

interface Started {
  readonly server: SpawnedContractServer;
  readonly databaseUrl: string;
  drop(): Promise<void>;
}

async function start(): Promise<Started> {
  const directory = await mkdtemp(join(tmpdir(), 'x-contract-'));
  const server = await spawnContractServer('x-ads', {
    journal: join(directory, 'journal.jsonl'),
    ...keys,
    // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
    processingMs: 0,
  });
  const database = await testDatabase('x-contract');
  const drop = async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  };
  return { server, databaseUrl: database.url, drop };
}

const settingsFor = (url: string): object => ({ baseUrl: url, ...keys, accountId: '18ce54d4x5t', audiences });

connectorContract({
  definition: xAds,
  start,
  settings: settingsFor,
  purposes: [ads, lookalikes],
  fields: {},
  identifiers: (name) => deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['x-email']),
  async holds(server, person, purpose) {
    const { audiences: memberOf } = (await server.state(person.identifiers['x-email'] ?? '')) as XState;
    return memberOf.includes(audiences[purpose as keyof typeof audiences]);
  },
  // One call adds and removes.
  operations: { share: 'users.change', revoke: 'users.change' },
  secrets: Object.values(keys),
  tellsBadRows: true,
});

describe('x-ads: sharing', () => {
  let started: Started;
  let runtime: RuntimeUnderTest;

  beforeAll(async () => {
    started = await start();
    runtime = await RuntimeUnderTest.start({
      databaseUrl: started.databaseUrl,
      definition: xAds,
      settings: Object.assign(new xAds.settings(), settingsFor(started.server.url)),
      purposes: [ads, lookalikes],
      fields: [],
    });
  }, 60_000);

  afterAll(async () => {
    await runtime.stop();
    await started.server.stop();
    await started.drop();
  });

  const agreed = async (email?: string): Promise<TestPerson> => {
    const person = newPerson((name) =>
      email === undefined
        ? deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['x-email'])
        : { 'x-email': email },
    );
    await runtime.change(person, 1, [ads]);
    return person;
  };

  test('X takes a batch whole or not at all: one bad identifier never blocks those that were in its request', async () => {
    const people = [await agreed(), await agreed('someone, not hashed'), await agreed()];
    const outcomes = await Promise.all(people.map((person) => runtime.share(person, ads)));
    const sent = { outcome: 'sent' };
    expect(outcomes).toEqual([sent, { outcome: 'failed', reason: 'invalid-identifier' }, sent]);
    const sizes = (await started.server.journal()).flatMap((line) => (line.t === 'received' ? [line.asks.length] : []));
    expect(sizes).toEqual([3, 2]);
  });
});
