import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { timing } from '@entente/contracts';
import { shareOnce } from '@entente/local';
import { alertsAsShipped, waitFor } from '@entente/test-support';
import { accepted, startWorld, withdraw, type World } from '../e2e/world.ts';
import { PrometheusServer } from './prometheus-server.ts';
import { alertNames, dashboardQueries } from './rule-files.ts';

/** Windows are this many times shorter here and the recipients' deadline is 5 s, unless `npm run test:alerts` waits for them. */
const faster = alertsAsShipped() ? 1 : 20;
const deadlineMs = alertsAsShipped() ? 60_000 : 5_000;
/** The longest window an alert here has, and what a busy machine adds. */
const patienceMs = 900_000 / faster + 90_000;
const testMs = 4 * patienceMs;

/** Alerts that no run of some minutes can fire or resolve; promtool plays their series (`deploy/monitoring/prometheus/tests`). */
const notHere: Readonly<Record<string, string>> = {
  ConsentBudgetBurn: 'its windows are an hour to three days',
  ConsentEgressRecordsDropped: 'needs 50,000 items sent while Kafka takes everything but the records of them',
  ConsentLedgerContradiction: 'needs a ledger that was tampered with, which nothing resolves',
  ConsentNotConfirmed: 'its window is an hour',
  ConsentProofsOverdue: 'its window is six hours',
  ConsentReconciliationOverdue: 'its window is a day',
};

let world: World;
let prometheus: PrometheusServer;
const fired = new Set<string>();
let lastFired: readonly Readonly<Record<string, string>>[] = [];
/** While it stands, the ad-partner connector's gate allows everything. */
let bypass: string;
/** While it stands, the ops service's host is 1.5 s ahead. */
let skew: string;
let taken = 0;
const someone = () => world.people[taken++]!;

/** What the test reads of `GET /v1/leaks`. */
interface Leaks {
  readonly items: readonly object[];
  readonly looked: { readonly sends: number };
}

beforeAll(async () => {
  bypass = join(await mkdtemp(join(tmpdir(), 'entente-bypass-')), 'on');
  const yes = pathToFileURL(join(import.meta.dirname, 'gate-that-says-yes.ts'));
  yes.searchParams.set('while', bypass);
  skew = join(dirname(bypass), 'skew');
  const clock = pathToFileURL(join(import.meta.dirname, '../e2e/console/clock-that-is-wrong.ts'));
  clock.search = new URLSearchParams({ while: skew, aheadMs: '1500' }).toString();
  world = await startWorld({
    people: 16,
    separateRelay: true,
    canaries: true,
    environment: {
      ops: {
        CONNECTOR_DEADLINE: `${deadlineMs / 1_000}s`,
        ...(alertsAsShipped() ? {} : { CANARY_EVERY: '5s' }),
        NODE_OPTIONS: `--import=${clock.href}`,
      },
      'crm-connector': { RECONCILE_EVERY: '5s' },
      'ad-partner-connector': { NODE_OPTIONS: `--import=${yes.href}` },
    },
  });
  const relay = new URL(world.stack.relay!.definition.readyUrl).origin;
  prometheus = await PrometheusServer.start({ ...world.stack.urls, relay }, faster);
}, 300_000);

afterAll(async () => {
  await prometheus?.stop();
  await world?.stop();
  await rm(dirname(bypass), { recursive: true });
}, 60_000);

/** What fires, as "alert recipient" or "alert service". */
const firing = async (): Promise<string[]> => {
  lastFired = (await prometheus.firing()).map(({ labels }) => labels);
  return lastFired.map((labels) => {
    const { alertname = '', connector, service } = labels;
    fired.add(alertname);
    return [alertname, connector ?? service ?? ''].join(' ').trim();
  });
};

async function until(what: string, holds: (alerts: readonly string[]) => boolean): Promise<void> {
  const began = performance.now();
  await waitFor(
    async () => {
      const alerts = await firing();
      if (!holds(alerts)) throw new Error(`fires: ${alerts.join(', ') || 'nothing'}`);
      return true;
    },
    { timeoutMs: patienceMs, everyMs: 500, what },
  );
  process.stderr.write(`${what}: after ${((performance.now() - began) / 1_000).toFixed(1)} s\n`);
}

const allFire = (...expected: readonly string[]) =>
  until(`${expected.join(', ')} to fire`, (alerts) => expected.every((one) => alerts.includes(one)));
/** The budget burns for as long as its windows are, an hour and more: it fires here and is not waited for. */
const lasting = /^Consent(Watchdog|BudgetBurn)/;
const allResolved = (after: string) =>
  until(`${after}: everything is resolved`, (alerts) => alerts.every((one) => lasting.test(one)));

const setFaults = async (controlUrl: string, faults: object[]): Promise<void> => {
  const response = await fetch(`${controlUrl}/faults`, { method: 'PUT', body: JSON.stringify({ faults }) });
  expect(response.status).toBe(200);
};

/** Each fires for as long as its window is, not all at once. */
const detected = (...expected: readonly string[]) => {
  const seen = new Set<string>();
  return until(`ConsentLeak by ${expected.join(', ')} to fire`, () => {
    for (const { alertname, connector, detector } of lastFired)
      if (alertname === 'ConsentLeak') seen.add(`${connector} ${detector}`);
    const missing = expected.filter((one) => !seen.has(one));
    if (missing.length > 0) throw new Error(`not yet: ${missing.join(', ')}`);
    return true;
  });
};

/** Somebody who holds the connector's credentials for HubSpot uploads an old list there. */
async function subscribeAgain(url: string, email: string): Promise<void> {
  for (const subscriptionId of [1001, 1002]) {
    const response = await fetch(`${url}/communication-preferences/2026-03/statuses/${encodeURIComponent(email)}`, {
      method: 'POST',
      headers: { authorization: 'Bearer hubspot-test-token', 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ channel: 'EMAIL', statusState: 'SUBSCRIBED', subscriptionId },
        ...{ legalBasis: 'CONSENT_WITH_NOTICE', legalBasisExplanation: 'an old list' },
      }),
    });
    expect(response.ok).toBe(true);
  }
}

const gates = ['hubspot-crm', 'meta-ads', 'segment-analytics'];

test(
  'a quiet system: nothing but the watchdog fires',
  async () => {
    await allResolved('after the start');
    await until('ConsentWatchdog to fire', (alerts) => alerts.includes('ConsentWatchdog'));
  },
  testMs,
);

test(
  'a partner that is down pages for its recipient alone, and healing it resolves the alerts',
  async () => {
    const { controlUrl } = world.stack.partners.hubspot;
    await setFaults(controlUrl, [{ kind: 'down' }]);
    for (let calls = 0; calls < 4; calls += 1) await withdraw(world.operator, someone());
    await allFire('ConsentRevocationOverdue hubspot-crm', 'ConsentPartnerDown hubspot-crm');
    const elsewhere = (await firing()).filter((one) => !one.endsWith('hubspot-crm') && !lasting.test(one));
    expect(elsewhere).toEqual([]);
    await setFaults(controlUrl, []);
    await allResolved('partner healed');
  },
  testMs,
);

test(
  'a partner that takes withdrawals and nothing else: with all else quiet the canary alone pages',
  async () => {
    const { controlUrl } = world.stack.partners.meta;
    await setFaults(controlUrl, [{ kind: 'status', code: 400, match: 'users.add' }]);
    await allFire('ConsentCanaryFailing meta-ads');
    expect((await firing()).filter((one) => !lasting.test(one))).toEqual(['ConsentCanaryFailing meta-ads']);
    await setFaults(controlUrl, []);
    await allResolved('partner takes data again');
  },
  testMs,
);

test(
  'what a partner refuses is parked and pages, until it is tried again',
  async () => {
    const { controlUrl } = world.stack.partners.hubspot;
    await setFaults(controlUrl, [{ kind: 'status', code: 400 }]);
    await withdraw(world.operator, someone());
    await allFire('ConsentDeadLetterRevocation hubspot-crm');
    await setFaults(controlUrl, []);
    await world.operator.ops('/v1/parked/replay', { recipient: 'hubspot-crm', dryRun: false });
    await allResolved('parked work replayed');
  },
  testMs,
);

test(
  'a killed connector is missed, and its return resolves the alerts',
  async () => {
    const connector = world.stack.services['ad-partner-connector'];
    await connector.signal('SIGKILL');
    await allFire('ConsentMetricMissing meta-ads', 'ConsentTargetDown ad-partner-connector');
    await connector.start();
    await connector.ready();
    await allResolved('connector back');
  },
  testMs,
);

test(
  'a host whose clock is wrong: a ticket, and nothing else, for no lease depends on it',
  async () => {
    await writeFile(skew, '');
    await allFire('ConsentClockSkew');
    expect((await firing()).filter((one) => !lasting.test(one))).toEqual(['ConsentClockSkew']);
    await rm(skew);
    await allResolved('clock mended');
  },
  testMs,
);

test(
  'a relay that has stopped: rows wait, gates go stale, and nobody says that all is well',
  async () => {
    await world.stack.relay!.signal('SIGSTOP');
    await withdraw(world.operator, someone());
    const missing = gates.map((gate) => `ConsentMetricMissing ${gate}`);
    await allFire('ConsentOutboxStalled', ...gates.map((gate) => `ConsentGateStale ${gate}`), ...missing);
    await world.stack.relay!.signal('SIGCONT');
    await allResolved('relay goes on');
  },
  testMs,
);

test(
  'a broker that has stopped: consumers and tracker stand still',
  async () => {
    const [broker] = world.infrastructure.kafka.brokers;
    await broker!.kill('SIGSTOP');
    await allFire('ConsentTrackerStalled', ...gates.map((gate) => `ConsentConsumerStalled ${gate}`));
    await broker!.kill('SIGCONT');
    await allResolved('broker goes on');
  },
  testMs,
);

test(
  'a gate that says yes and a hand at the partner past every gate: each detector finds its leak, pages, and shows the evidence',
  async () => {
    const person = someone();
    const { change } = await withdraw(world.operator, person);
    await accepted(world.operator, change.changeId);
    // Until the effect was seen there, what the partner still shows means "not yet".
    await waitFor(
      async () => {
        const { recipients } = await world.operator.propagation(change.changeId);
        return recipients.some(({ recipient, state }) => recipient === 'hubspot-crm' && state === 'confirmed');
      },
      { timeoutMs: 60_000, what: 'HubSpot to show the effect' },
    );
    const { hubspot } = world.stack.partners;
    await subscribeAgain(hubspot.url, person.email);
    // Within D of the commit a send is no leak (NO-LEAK).
    await pause(timing.maxStalenessMs + 500);
    await writeFile(bypass, '');
    try {
      const meta = world.targets.find(({ recipient }) => recipient === 'meta-ads')!;
      expect(await shareOnce(world.platform, meta, [person.subjectId])).toBe(1);
      await detected('meta-ads egress_audit', 'meta-ads canary', 'hubspot-crm readback');
    } finally {
      await rm(bypass);
    }
    const { items, looked } = await world.operator.ops<Leaks>('/v1/leaks?limit=200');
    // The view tells milliseconds.
    const withdrawnAt = new Date(change.committedAt).toISOString();
    const evidence = { subjectKey: change.subjectKey, changeId: change.changeId, withdrawnAt };
    for (const [recipient, purpose, detector] of [
      ['meta-ads', 'personalised-ads', 'egress_audit'],
      ['hubspot-crm', 'email-marketing', 'readback'],
    ] as const)
      expect(items).toContainEqual(
        expect.objectContaining({ ...evidence, recipient, detector, purposes: expect.arrayContaining([purpose]) }),
      );
    expect(looked.sends).toBeGreaterThan(world.people.length);
    await allResolved('nothing leaked since');
  },
  testMs,
);

test('every alert has fired and been resolved here, or says why it could not', () => {
  expect([...new Set([...fired, ...Object.keys(notHere)])].sort()).toEqual(alertNames);
});

test.each(dashboardQueries.map(({ where, expr }) => [where, expr]))(
  '%s shows something',
  async (_, expr) => expect((await prometheus.query(expr)).length).toBeGreaterThan(0),
  30_000,
);
