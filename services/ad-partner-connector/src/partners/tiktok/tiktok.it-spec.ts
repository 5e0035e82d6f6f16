import { connectorContract, newPerson, RuntimeUnderTest, type TestPerson } from '@entente/connector-runtime/testing';
import { spawnContractServer, type SpawnedContractServer } from '@entente/contract-servers';
import { deriveIdentifiers, purposeId } from '@entente/contracts';
import { testDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tikTokAudiences } from './definition.ts';

const ads = purposeId('personalised-ads');
const lookalikes = purposeId('lookalikes');
const audiences = { 'personalised-ads': '167290896', lookalikes: '167290897' };
const token = 'tiktok-secret-token';
const account = '7000000000000000000';

interface TikTokState {
  readonly audiences: readonly string[];
}

interface Started {
  readonly server: SpawnedContractServer;
  readonly databaseUrl: string;
  drop(): Promise<void>;
}

async function start(): Promise<Started> {
  const directory = await mkdtemp(join(tmpdir(), 'tiktok-contract-'));
  const server = await spawnContractServer('tiktok', {
    journal: join(directory, 'journal.jsonl'),
    token,
    account,
    // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
    processingMs: 0,
  });
  const database = await testDatabase('tiktok-contract');
  const drop = async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  };
  return { server, databaseUrl: database.url, drop };
}

const settingsFor = (url: string): object => ({ baseUrl: url, token, advertiserIds: [account], audiences });

connectorContract({
  definition: tikTokAudiences,
  start,
  settings: settingsFor,
  purposes: [ads, lookalikes],
  fields: {},
  identifiers: (name) =>
    deriveIdentifiers({ email: `${name}@example.org`, phone: '+33612345678', subjectId: name }, [
      'tiktok-email',
      'tiktok-email-stripped',
    ]),
  async holds(server, person, purpose) {
    const held = await Promise.all(
      Object.values(person.identifiers).map(async (id) => (await server.state(id)) as TikTokState),
    );
    return held.some(({ audiences: memberOf }) => memberOf.includes(audiences[purpose as keyof typeof audiences]));
  },
  // One call adds and removes.
  operations: { share: 'segment.mapping', revoke: 'segment.mapping' },
  secrets: [token],
  tellsBadRows: true,
});

describe('tiktok-audiences: sharing', () => {
  let started: Started;
  let runtime: RuntimeUnderTest;

  beforeAll(async () => {
    started = await start();
    runtime = await RuntimeUnderTest.start({
      databaseUrl: started.databaseUrl,
      definition: tikTokAudiences,
      settings: Object.assign(new tikTokAudiences.settings(), settingsFor(started.server.url)),
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
        ? deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['tiktok-email'])
        : { 'tiktok-email': email },
    );
    await runtime.change(person, 1, [ads]);
    return person;
  };

  test('one bad identifier never blocks those that were in its request, though TikTok names none', async () => {
    const people = [await agreed(), await agreed('someone, not hashed'), await agreed()];
    const outcomes = await Promise.all(people.map((person) => runtime.share(person, ads)));
    const sent = { outcome: 'sent' };
    expect(outcomes).toEqual([sent, { outcome: 'failed', reason: 'invalid-identifier' }, sent]);
    const sizes = (await started.server.journal()).flatMap((line) => (line.t === 'received' ? [line.asks.length] : []));
    expect(sizes).toEqual([3, 2, 1, 1, 1]);
  });
});
