import { connectorContract, newPerson, RuntimeUnderTest, type TestPerson } from '@entente/connector-runtime/testing';
import { spawnContractServer, type SpawnedContractServer } from '@entente/contract-servers';
import { deriveIdentifiers, purposeId } from '@entente/contracts';
import { testDatabase, waitFor } from '@entente/test-support';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { googleDataManager } from './definition.ts';

const ads = purposeId('personalised-ads');
const lookalikes = purposeId('lookalikes');
const audiences = { 'personalised-ads': '7090784486', lookalikes: '7090784487' };
const clientEmail = 'entente@contract.iam.gserviceaccount.com';
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

interface GoogleState {
  readonly userLists: readonly string[];
}

interface Started {
  readonly server: SpawnedContractServer;
  readonly databaseUrl: string;
  drop(): Promise<void>;
}

async function start(): Promise<Started> {
  const directory = await mkdtemp(join(tmpdir(), 'google-contract-'));
  const server = await spawnContractServer('google-data-manager', {
    journal: join(directory, 'journal.jsonl'),
    serviceAccountEmail: clientEmail,
    serviceAccountPublicKey: keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
    processingMs: 0,
  });
  const database = await testDatabase('google-contract');
  const drop = async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  };
  return { server, databaseUrl: database.url, drop };
}

const settingsFor = (url: string): object => ({
  baseUrl: url,
  tokenUrl: `${url}/token`,
  clientEmail,
  privateKey,
  accountId: '1234567890',
  audiences,
  customerMatchTermsAccepted: true,
});

connectorContract({
  definition: googleDataManager,
  start,
  settings: settingsFor,
  purposes: [ads, lookalikes],
  fields: {},
  identifiers: (name) =>
    deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['google-email', 'google-phone']),
  async holds(server, person, purpose) {
    const { userLists } = (await server.state(person.identifiers['google-email'] ?? '')) as GoogleState;
    return userLists.includes(audiences[purpose as keyof typeof audiences]);
  },
  operations: { share: 'audienceMembers.ingest', revoke: 'audienceMembers.remove' },
  secrets: [privateKey, ...privateKey.split('\n').filter((line) => line.length > 40), 'ya29.'],
  tellsBadRows: true,
  confirmation: {
    // Requests are processed as soon as they are accepted.
    finish: () => Promise.resolve(),
    failLater: (server) => server.setFaults({ kind: 'failLater', match: 'audienceMembers.remove' } as never),
    operation: 'requestStatus.retrieve',
  },
});

describe('google-data-manager: sharing and its jobs', () => {
  let started: Started;
  let runtime: RuntimeUnderTest;

  beforeAll(async () => {
    started = await start();
    runtime = await RuntimeUnderTest.start({
      databaseUrl: started.databaseUrl,
      definition: googleDataManager,
      settings: Object.assign(new googleDataManager.settings(), settingsFor(started.server.url)),
      purposes: [ads, lookalikes],
      fields: [],
    });
  }, 60_000);

  afterEach(() => started.server.clearFaults());
  afterAll(async () => {
    await runtime.stop();
    await started.server.stop();
    await started.drop();
  });

  const agreed = async (email?: string): Promise<TestPerson> => {
    const person = newPerson((name) =>
      email === undefined
        ? deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['google-email'])
        : { 'google-email': email },
    );
    await runtime.change(person, 1, [ads]);
    return person;
  };
  /** Sizes of the requests that carried this identifier. */
  const requestsWith = async (identifier: string): Promise<number[]> =>
    (await started.server.journal()).flatMap((line) =>
      line.t === 'received' && line.asks.some(({ identifiers }) => identifiers.includes(identifier))
        ? [line.asks.length]
        : [],
    );

  test('one bad identifier never blocks those that were in its request', async () => {
    const people = [await agreed(), await agreed('someone, not hashed'), await agreed()];
    const outcomes = await Promise.all(people.map((person) => runtime.share(person, ads)));
    const sent = { outcome: 'sent' };
    expect(outcomes).toEqual([sent, { outcome: 'failed', reason: 'invalid-identifier' }, sent]);
    expect(await requestsWith('someone, not hashed')).toEqual([3]);
  });

  test('the request id is kept with an accepted revocation: Google answers for the job under it', async () => {
    const person = await agreed();
    expect(await runtime.share(person, ads)).toEqual({ outcome: 'sent' });
    runtime.revoker.start();
    await runtime.change(person, 2, []);
    await waitFor(async () => Number((await runtime.row(person))?.appliedVersion) === 2, {
      what: 'an accepted revocation',
    });
    const removals = (await started.server.journal()).flatMap((line) =>
      line.t === 'effect' && line.op === 'audienceMembers.remove' ? line.effects : [],
    );
    // The catalogue gives both purposes to this recipient: one request for each list.
    const references = (await runtime.row(person))?.reference?.split(' ') ?? [];
    expect(references).toHaveLength(2);
    expect(removals.map(({ detail }) => detail?.['requestId'])).toEqual(expect.arrayContaining(references));
  });

  test('an access token the server no longer takes is renewed, once, in the same attempt', async () => {
    await started.server.setFaults({ kind: 'authExpired', times: 1, match: 'audienceMembers.ingest' });
    expect(await runtime.share(await agreed(), ads)).toEqual({ outcome: 'sent' });
  });

  test('without a token to be had a share fails with its reason, and the next one after it is mended goes through', async () => {
    await started.server.setFaults({ kind: 'authExpired', match: '*' });
    const person = await agreed();
    expect(await runtime.share(person, ads)).toMatchObject({ reason: 'authentication' });
    await started.server.clearFaults();
    expect(await runtime.share(person, ads)).toEqual({ outcome: 'sent' });
  });
});
