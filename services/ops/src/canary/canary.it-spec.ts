import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { controllerId, recipientId, subjectKey, uuidv7, type ConsentChanged, type PurposeId } from '@entente/contracts';
import { TokenSource } from '@entente/http';
import { createLogger, createMetrics, systemClock, type Metrics } from '@entente/observability';
import { createPool, inTransaction, migrate, type Pool } from '@entente/postgres';
import { testDatabase, waitFor } from '@entente/test-support';
import { opsMigrations } from '../migrations/index.ts';
import { uncountedLeaks } from '../leaks/leak-rows.ts';
import { canaries, canaryRun } from '../read/canaries.ts';
import { sealedCursors } from '../read/cursors.ts';
import { delays, overview } from '../read/overview.ts';
import { recipientSummaries } from '../read/recipients.ts';
import { stuck } from '../read/stuck.ts';
import { recordChanges } from '../tracker/record-changes.ts';
import { recordOutcomes } from '../tracker/record-outcomes.ts';
import { Canaries } from './canaries.ts';
import { CanaryCalls } from './canary-calls.ts';
import { CanaryRows } from './canary-rows.ts';

const acme = controllerId('acme');
const hubspot = recipientId('hubspot-crm');
const key = subjectKey('k1.canarycanarycanary0001');
const purpose = 'email-marketing' as PurposeId;
const log = createLogger({ service: 'ops-test', level: 'fatal' });
const settings = {
  purpose: 'email-marketing',
  notice: 'privacy-choices@1',
  email: 'canary@acme.example',
  fields: { plan: 'canary' },
};

let database: Awaited<ReturnType<typeof testDatabase>>;
let pool: Pool;
let server: Server;
let metrics: Metrics;
let running: Canaries;
/** What the connector does with the item offered while the canary is granted, and with the one offered after. */
let connector: { control: string; after: string };
let partner: 'accepts' | 'never answers';
let consent: 'answers' | 'is down';
let version = 0;
let granted = false;
const asked: { url: string; body: Record<string, unknown> }[] = [];

beforeAll(async () => {
  database = await testDatabase('canary');
  await migrate({ url: database.url, schema: 'ops', migrations: opsMigrations, log });
  pool = createPool({ url: database.url, schema: 'ops', name: 'canary-test', max: 4 });
  await pool.query(
    `INSERT INTO recipient (controller, id, name, kind, active) VALUES ($1, 'hubspot-crm', 'HubSpot', 'crm', true)`,
    [acme],
  );
  server = createServer((request, response) => {
    void text(request)
      .then((body) => answer(request.url ?? '', JSON.parse(body) as Record<string, unknown>))
      .then(([status, content]) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content)),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}, 60_000);
afterAll(async () => {
  await running.stop();
  await new Promise((resolve) => server.close(resolve));
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  asked.length = 0;
  connector = { control: 'sent', after: 'denied' };
  partner = 'accepts';
  consent = 'answers';
  await pool.query('DELETE FROM canary_run; DELETE FROM canary; DELETE FROM leak');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  metrics = createMetrics();
  running = new Canaries({
    pool,
    controller: acme,
    settings: new Map([['hubspot-crm', settings]]),
    everyMs: 30_000,
    calls: new CanaryCalls({
      consentUrl: url,
      connectorUrls: { 'hubspot-crm': url },
      tokens: new TokenSource({ token: 'canary' }),
    }),
    subjectKey: () => Promise.resolve(key),
    clock: systemClock,
    log,
    metrics,
  });
});

/** The consent service and the connector as they answer, with what the tracker hears of it. */
async function answer(url: string, body: Record<string, unknown>): Promise<[number, object]> {
  asked.push({ url, body });
  if (url === '/v1/shares')
    return [200, { results: [{ index: 0, outcome: granted ? connector.control : connector.after }] }];
  if (consent === 'is down') return [503, {}];
  version += 1;
  const changeId = uuidv7(systemClock.now());
  granted = url === '/v1/consents';
  if (granted) return [200, { changeId: `chg_${changeId}`, version }];
  const change: ConsentChanged = {
    controller: acme,
    subjectKey: key,
    version,
    catalogue: 1,
    direction: 'deny',
    vector: {},
    changes: [{ purpose, from: 'granted', to: 'withdrawn', cause: 'person' }],
    recipients: [hubspot],
    committedAt: new Date(systemClock.now()).toISOString(),
    sealed: {},
  };
  await inTransaction(pool, async (tx) => {
    await recordChanges(tx, [{ changeId, publishedAtMs: systemClock.now(), change }]);
    await tx.query('UPDATE propagation SET gate_closed_at = clock_timestamp() WHERE subject_key = $1', [key]);
    if (partner === 'accepts')
      await recordOutcomes(tx, [
        {
          ...{ controller: acme, subjectKey: key, recipient: hubspot, version, direction: 'deny', outcome: 'accepted' },
          ...{ attempts: 1, at: new Date(systemClock.now() + 5).toISOString(), clockErrorMs: 1 },
        },
      ]);
  });
  return [200, { changeId: `chg_${changeId}`, version }];
}

async function ranOnce() {
  const id = await running.begin('hubspot-crm', 'operator');
  return waitFor(
    async () => {
      const run = await canaryRun(pool, acme, id!);
      return run?.result ? run : null;
    },
    { timeoutMs: 5_000, everyMs: 20, what: 'the run to end' },
  );
}

test('a run that goes well: granted, arrived, withdrawn at every gate, refused, accepted; its times are kept and counted', async () => {
  const run = await ranOnce();
  expect(run).toMatchObject({ result: 'ok', reason: null, refused: 'denied', askedBy: 'operator' });
  expect(run.arrivedMs).toBeGreaterThanOrEqual(0);
  expect(run.acceptedMs).toBeGreaterThan(0);
  expect(asked.map(({ url }) => url)).toEqual([
    '/v1/consents',
    '/v1/shares',
    '/v1/withdrawals?wait=gates',
    '/v1/shares',
  ]);
  expect(asked[0]!.body['subjectId']).toBe('canary:hubspot-crm:1');
  expect(await metrics.text()).toContain('consent_canary_runs_total{connector="hubspot-crm",result="ok"} 1');
  expect(await metrics.text()).toMatch(/consent_canary_last_success_timestamp_seconds\{connector="hubspot-crm"\} \d+/);
});

test('an item that leaves after the withdrawal is a leak, whatever the connector calls it', async () => {
  connector.after = 'sent';
  expect(await ranOnce()).toMatchObject({ result: 'error', reason: 'sent-after-withdrawal' });
  const lines = await recipientSummaries(pool, acme, true);
  expect(lines.map(({ recipient, leaks }) => [recipient, leaks])).toEqual([['hubspot-crm', 1]]);
  // In the counter once, whichever instance looks first.
  expect(await uncountedLeaks(pool)).toEqual([{ recipient: 'hubspot-crm', detector: 'canary' }]);
  expect(await uncountedLeaks(pool)).toEqual([]);
});

test('a denial proves nothing without the control that arrived; the canary is withdrawn all the same', async () => {
  connector.control = 'held';
  expect(await ranOnce()).toMatchObject({ result: 'lost', reason: 'control-held', arrivedMs: null });
  expect(asked.map(({ url }) => url)).toContain('/v1/withdrawals?wait=gates');
});

test('a service that does not answer ends the run as an error with its word, and the next may begin at once', async () => {
  consent = 'is down';
  expect(await ranOnce()).toMatchObject({ result: 'error', reason: 'consent-answered-503' });
  consent = 'answers';
  expect(await ranOnce()).toMatchObject({ result: 'ok' });
});

test('however many instances look after it, one run at a time', async () => {
  await running.begin('hubspot-crm', 'schedule');
  const rows = new CanaryRows(pool, acme);
  await waitFor(async () => (await rows.claim('hubspot-crm', 'schedule', true)) === null, {
    timeoutMs: 1_000,
    what: 'a run that is not due to be refused',
  });
  await waitFor(
    async () => {
      const view = await canaries(pool, { controller: acme, everyMs: 1, nowMs: 0, configured: () => true });
      return view.canaries[0]!.running ? null : view;
    },
    { timeoutMs: 5_000, what: 'the run to end' },
  );
  const claims = await Promise.all([1, 2, 3].map(() => rows.claim('hubspot-crm', 'operator', false)));
  expect(claims.filter((id) => id !== null)).toHaveLength(1);
});

test('nobody counts it: not the overview, not the lists, not the deadlines', async () => {
  partner = 'never answers';
  await running.begin('hubspot-crm', 'schedule');
  await waitFor(
    async () => ((await pool.query('SELECT FROM propagation WHERE settled_at IS NULL AND canary')).rowCount ?? 0) > 0,
    { timeoutMs: 5_000, what: 'an open withdrawal of the canary' },
  );
  const question = { controller: acme, trackerSees: true, deadlineMs: 60_000, nowMs: 0 };
  const { connectors, latest } = await overview(pool, question, {
    figures: await delays(pool, acme),
    clockSkewS: 0,
    alerts: null,
  });
  expect(connectors[0]).toMatchObject({ unenforced: 0, acceptedMs: null });
  expect(latest).toEqual([]);
  const cursors = sealedCursors('secret')('stuck', acme);
  const lists = { cursors, controller: acme, recipient: null, state: null, after: null, limit: 10, nowMs: 0 };
  expect((await stuck(pool, lists)).items).toEqual([]);
  // The partner answers after all: the run ends and is not waited for.
  await inTransaction(pool, (tx) =>
    recordOutcomes(tx, [
      {
        ...{ controller: acme, subjectKey: key, recipient: hubspot, version, direction: 'deny', outcome: 'accepted' },
        ...{ attempts: 1, at: new Date(systemClock.now()).toISOString(), clockErrorMs: 1 },
      },
    ]),
  );
});
