import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timing, topicSettings } from '@entente/contracts';
import { createKafka } from '@entente/kafka';
import { createLogger } from '@entente/observability';
import { ownBroker, testDatabase, waitFor } from '@entente/test-support';
import type { OwnBroker } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { databaseOf, grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { Answer, ConsentUnderTest } from '../testing/harness.ts';

let own: OwnBroker;
let consent: ConsentUnderTest;
/** The same service as a decision point alone. */
let point: ConsentUnderTest;
let directory: string;

beforeAll(async () => {
  own = await ownBroker();
  const log = createLogger({ service: 'test', level: 'silent' });
  const kafka = createKafka({ clientId: 'decisions-test', brokers: own.bootstrap, log });
  await kafka.admin().ensureTopics(
    topicSettings.map(({ name, partitions }) => ({
      ...{ name, partitions, replicationFactor: 1, config: { 'message.timestamp.type': 'LogAppendTime' } },
    })),
  );
  await kafka.close();
  const common = { background: true, bootstrap: own.bootstrap, logLevel: 'silent' as const };
  consent = await startConsent(await testDatabase('check'), { ...common, env: { RELAY: 'on' } });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  directory = await mkdtemp(join(tmpdir(), 'decisions-'));
  const gate = {
    controller: 'acme',
    recipients: ['segment', 'meta-ads'],
    clientId: 'gate',
    clientSecret: 's',
    directory,
  };
  point = await startConsent(databaseOf(consent), {
    ...common,
    env: {
      ...{ RELAY: 'off', API: 'off', INSTANCE: 'decisions-1', DECISIONS: JSON.stringify([gate]) },
      ...{ CONSENT_URL: consent.url, TOKEN_URL: consent.tokenUrl, SUBJECT_HASH_KEYS: consent.config.subjectHashKeys },
    },
  });
}, 90_000);
afterAll(async () => {
  await point?.stop();
  await consent?.stop();
  await own?.stop();
  await rm(directory, { recursive: true, force: true });
});

const key = () => ({ headers: { 'idempotency-key': randomUUID() } });
const check = (...checks: object[]) => point.post('/v1/decisions:check', { checks });
const about = (subjectId: string, more: object = {}) => ({
  subjectId,
  purpose: 'analytics',
  recipient: 'segment',
  ...more,
});
const resultsOf = ({ body }: Answer) => body['results'] as unknown as Record<string, unknown>[];
/** The answers of one moment at which the gate knew: a starved machine may lose its lease for a while. */
async function known(...checks: object[]): Promise<Record<string, unknown>[]> {
  let results: Record<string, unknown>[] = [];
  await waitFor(
    async () => {
      results = resultsOf(await check(...checks));
      return results.every(({ decision, reason }) => decision !== 'stale' || reason === 'below-version');
    },
    { what: 'a gate that knows', timeoutMs: 30_000 },
  );
  return results;
}

describe('H-7 POST /v1/decisions:check', () => {
  test('H-7 answers allow with version, validUntil and how long it holds, and deny within D of a withdrawal', async () => {
    const validUntil = '2030-01-01T00:00:00.000Z';
    const decisions = [{ purpose: 'analytics', decision: 'granted', validUntil }];
    const { body } = await consent.post('/v1/consents', { ...grantAll('anna'), decisions }, key());
    const atLeastVersion = Number(body['version']);
    await waitFor(async () => (await known(about('anna', { atLeastVersion })))[0]?.['decision'] === 'allow', {
      ...{ what: 'the grant has arrived', timeoutMs: 30_000 },
    });
    const [allowed, other, unknown] = await known(
      ...[about('anna'), about('anna', { recipient: 'meta-ads' }), about('nobody')],
    );
    expect(allowed).toMatchObject({ decision: 'allow', version: body['version'], validUntil });
    expect(allowed?.['maxAgeMs']).toBeGreaterThan(0);
    expect(allowed?.['maxAgeMs']).toBeLessThan(timing.maxStalenessMs);
    expect(other).toEqual({ decision: 'deny', reason: 'recipient-not-for-purpose', version: body['version'] });
    expect(unknown).toEqual({ decision: 'deny', reason: 'unknown-subject' });
    const byKey = { ...about('anna'), subjectId: undefined, subjectKey: body['subjectKey'] };
    expect(await known(byKey)).toMatchObject([{ decision: 'allow' }]);

    const withdrawn = await consent.post('/v1/withdrawals?wait=gates', { subjectId: 'anna' });
    const { version } = withdrawn.body;
    expect(await known(about('anna'))).toEqual([{ decision: 'deny', reason: 'not-granted', version }]);
  });

  test('GATE-5 below the version asked for it is stale, not denied', async () => {
    const [answer] = await known(about('anna', { atLeastVersion: 1_000 }));
    expect(answer).toEqual({ decision: 'stale', reason: 'below-version' });
  });

  test('a recipient no gate of this process stands for is denied', async () => {
    expect(await known(about('anna', { recipient: 'hubspot-crm' }))).toEqual([
      { decision: 'deny', reason: 'unknown-recipient' },
    ]);
  });

  test('another controller is told that nobody answers for it here', async () => {
    const token = await point.token(undefined, 'other-brand');
    const answer = await point.post('/v1/decisions:check', { checks: [about('anna')] }, { token });
    expect(answer).toMatchObject({ status: 404, body: { type: 'urn:entente:problem:no-decision-point' } });
  });

  test.each([
    ['no questions', { checks: [] }, '/checks'],
    ['too many', { checks: Array.from({ length: 501 }, () => about('anna')) }, '/checks'],
    ['nobody', { checks: [{ purpose: 'analytics', recipient: 'segment' }] }, '/checks/0/subjectId'],
    [
      'an e-mail as key',
      { checks: [{ ...about('a'), subjectId: undefined, subjectKey: 'a@b.c' }] },
      '/checks/0/subjectKey',
    ],
    ['a version as text', { checks: [about('a', { atLeastVersion: '1' })] }, '/checks/0/atLeastVersion'],
  ])('%s is refused with its field', async (_name, body, pointer) => {
    const answer = await point.post('/v1/decisions:check', body);
    expect(answer.status).toBe(400);
    expect(answer.body['errors']).toContainEqual(expect.objectContaining({ pointer }));
  });

  test('nothing else is served by a process that only answers decisions', async () => {
    // Not through the harness: the description it judges answers by is that of the whole service (H-8).
    const { status } = await fetch(`${point.url}/v1/withdrawals`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await point.token()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ subjectId: 'anna' }),
    });
    expect(status).toBe(404);
  });
});
