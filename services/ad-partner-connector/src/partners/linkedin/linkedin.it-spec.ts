import { connectorContract, newPerson, RuntimeUnderTest, type TestPerson } from '@entente/connector-runtime/testing';
import { spawnContractServer, type SpawnedContractServer } from '@entente/contract-servers';
import { deriveIdentifiers, purposeId } from '@entente/contracts';
import { testDatabase, waitFor } from '@entente/test-support';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkedInMatchedAudiences } from './definition.ts';

const ads = purposeId('personalised-ads');
const lookalikes = purposeId('lookalikes');
const audiences = { 'personalised-ads': '10804', lookalikes: '10805' };
const token = 'linkedin-secret-token';
const renewal = { refreshToken: 'linkedin-refresh', clientId: 'linkedin-client', clientSecret: 'linkedin-secret' };

interface LinkedInState {
  readonly audiences: readonly string[];
}

interface Started {
  readonly server: SpawnedContractServer;
  readonly databaseUrl: string;
  drop(): Promise<void>;
}

async function start(): Promise<Started> {
  const directory = await mkdtemp(join(tmpdir(), 'linkedin-contract-'));
  const server = await spawnContractServer('linkedin', {
    journal: join(directory, 'journal.jsonl'),
    token,
    ...renewal,
    // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
    processingMs: 0,
  });
  const database = await testDatabase('linkedin-contract');
  const drop = async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  };
  return { server, databaseUrl: database.url, drop };
}

connectorContract({
  definition: linkedInMatchedAudiences,
  start,
  settings: (url) => ({ baseUrl: url, accessToken: token, audiences }),
  purposes: [ads, lookalikes],
  fields: {},
  identifiers: (name) => deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['linkedin-email']),
  async holds(server, person, purpose) {
    const { audiences: memberOf } = (await server.state(person.identifiers['linkedin-email'] ?? '')) as LinkedInState;
    return memberOf.includes(audiences[purpose as keyof typeof audiences]);
  },
  // One call adds and removes.
  operations: { share: 'segmentUsers.change', revoke: 'segmentUsers.change' },
  secrets: [token],
  tellsBadRows: true,
});

describe('linkedin: with a refresh token', () => {
  let started: Started;
  let runtime: RuntimeUnderTest;

  beforeAll(async () => {
    started = await start();
    const { url } = started.server;
    runtime = await RuntimeUnderTest.start({
      databaseUrl: started.databaseUrl,
      definition: linkedInMatchedAudiences,
      settings: Object.assign(new linkedInMatchedAudiences.settings(), {
        ...{ baseUrl: url, tokenUrl: `${url}/oauth/v2/accessToken`, ...renewal },
        audiences: { 'personalised-ads': '10804' },
      }),
      purposes: [ads, lookalikes],
      fields: [],
    });
    runtime.revoker.start();
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
        ? deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['linkedin-email'])
        : { 'linkedin-email': email },
    );
    await runtime.change(person, 1, [ads, lookalikes]);
    return person;
  };
  const sizes = async (): Promise<number[]> =>
    (await started.server.journal()).flatMap((line) =>
      line.t === 'received' && line.op === 'segmentUsers.change' ? [line.asks.length] : [],
    );

  test('each element has its status: one bad identifier costs the others nothing, not even a second request', async () => {
    const people = [await agreed(), await agreed('someone, not hashed'), await agreed()];
    const outcomes = await Promise.all(people.map((person) => runtime.share(person, ads)));
    const sent = { outcome: 'sent' };
    expect(outcomes).toEqual([sent, { outcome: 'failed', reason: 'invalid-identifier' }, sent]);
    expect(await sizes()).toEqual([3]);
  });

  test('an access token LinkedIn no longer takes is renewed, once, in the same attempt', async () => {
    await started.server.setFaults({ kind: 'authExpired', times: 1, match: 'segmentUsers.change' });
    expect(await runtime.share(await agreed(), ads)).toEqual({ outcome: 'sent' });
  });

  test('a segment that is not ready yet is asked again, and only its 201 is an acceptance', async () => {
    const person = await agreed();
    expect(await runtime.share(person, ads)).toEqual({ outcome: 'sent' });
    await started.server.setFaults({ kind: 'status', code: 404, match: 'segmentUsers.change' });
    await runtime.change(person, 2, [lookalikes]);
    await waitFor(async () => (await runtime.attempts(person)).length > 0, { what: 'an attempt' });
    expect((await runtime.attempts(person))[0]).toBe('retry: segment-not-ready');
    expect(await runtime.enforcements(person)).not.toContain('accepted@2');
  });

  test('a purpose the settings name no segment for fails by name, and LinkedIn hears nothing', async () => {
    const before = (await sizes()).length;
    expect(await runtime.share(await agreed(), lookalikes)).toEqual({
      outcome: 'failed',
      reason: 'purpose-not-mapped',
    });
    expect((await sizes()).length).toBe(before);
  });
});
