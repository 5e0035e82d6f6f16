import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '@entente/test-support';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from './console/browser.ts';
import { Planted, subject } from './console/planted.ts';
import { ConsoleBrowser, looks, overflow, shows, violations } from './console/session.ts';
import { startConsoleWorld, type ConsoleWorld } from './console/world.ts';

let world: ConsoleWorld;
let browser: Browser;
let at: ConsoleBrowser;
let planted: Planted;

/** A canary that acts once by itself at the start and then waits for a person. */
const canary = { purpose: 'personalised-ads', notice: 'privacy-choices@1', email: 'canary@acme.example' };

/** While it stands, the service's clock is 1.5 s ahead. */
let skew: string;

beforeAll(async () => {
  skew = join(await mkdtemp(join(tmpdir(), 'entente-clock-')), 'on');
  const clock = pathToFileURL(join(import.meta.dirname, 'console/clock-that-is-wrong.ts'));
  clock.search = new URLSearchParams({ while: skew, aheadMs: '1500' }).toString();
  [world, browser] = await Promise.all([
    startConsoleWorld((stub) => ({
      CANARIES: JSON.stringify({ 'meta-ads': canary, 'hubspot-crm': canary }),
      CANARY_EVERY: '1h',
      CANARY_CLIENT_ID: 'ops',
      CANARY_CLIENT_SECRET: 'ops-secret',
      DEMO_WORLD_URL: stub,
      DEMO_WORLD_TOKEN: 'demo-token',
      ALERTMANAGER_URL: stub,
      NODE_OPTIONS: `--import=${clock.href}`,
    })),
    openBrowser(),
  ]);
  at = new ConsoleBrowser(browser, world);
  planted = new Planted(world.pool, world.controller);
  await planted.recipient('meta-ads', 'Meta Custom Audiences');
  await planted.recipient('hubspot-crm', 'HubSpot', 'crm');
  await planted.recipient('dead-end', 'Dead End', 'crm');
  await planted.recipient('segment-analytics', 'Segment', 'analytics');
  await planted.gate(['meta-ads', 'hubspot-crm', 'dead-end', 'segment-analytics']);
}, 90_000);
afterAll(async () => {
  await browser?.close();
  await world?.stop();
  await rm(dirname(skew), { recursive: true });
});
afterEach(() => at.close());

const loaded = (page: Page) =>
  // Asked from outside: the page's policy allows no script of ours in it.
  waitFor(async () => !/Loading…|Chargement…/.test(await page.innerText('body')), {
    timeoutMs: 10_000,
    what: 'the page to be loaded',
  });

/** Ends of runs as the runner writes them. */
async function plantRun(recipient: string, result: string, reason: string | null, refused: string): Promise<void> {
  await world.pool.query(
    `INSERT INTO canary_run (id, controller, recipient, asked_by, started_at, ended_at, result, reason, change_id, arrived_ms, gate_ms, accepted_ms, refused)
     VALUES (gen_random_uuid(), $1, $2, 'schedule', clock_timestamp(), clock_timestamp(), $3, $4, NULL, 210, 41, $5, $6)`,
    [world.controller, recipient, result, reason, result === 'ok' ? 520 : null, refused],
  );
}

describe('canaries', () => {
  test('a canary whose services refuse says so in a word, per recipient; one without says that nothing is proven', async () => {
    const page = await at.inside('viewer', '/console/canary');
    await shows(page, /The last synthetic withdrawal did not go well at HubSpot, Meta Custom Audiences\./);
    await page
      .getByRole('row', { name: /Meta Custom Audiences.*Fault.*consent-answered-404/ })
      .first()
      .waitFor();
    await page.getByRole('row', { name: /Segment.*Not configured/ }).waitFor();
    expect(await page.getByRole('button', { name: /Run now/ }).count()).toBe(0);
  });

  test('an operator runs one by the keyboard; it is in the audit, and the good end is said', async () => {
    const page = await at.inside('operator', '/console/canary');
    const before = await world.pool.query('SELECT FROM canary_run WHERE recipient = $1', ['meta-ads']);
    await page.getByRole('button', { name: 'Run now: Meta Custom Audiences' }).focus();
    await page.keyboard.press('Enter');
    await waitFor(
      async () =>
        ((await world.pool.query(`SELECT FROM canary_run WHERE recipient = 'meta-ads' AND ended_at IS NOT NULL`))
          .rowCount ?? 0) > (before.rowCount ?? 0),
      { timeoutMs: 10_000, what: 'another run' },
    );
    const { rows } = await world.pool.query(`SELECT actor, target FROM audit WHERE action = 'run-canary'`);
    expect(rows).toEqual([{ actor: 'operator', target: 'meta-ads' }]);
    await plantRun('meta-ads', 'ok', null, 'denied');
    await plantRun('hubspot-crm', 'ok', null, 'denied');
    await shows(page, 'The last synthetic withdrawal went well at all 2 recipients.');
  });

  test('an item that left after the withdrawal comes before everything else', async () => {
    await plantRun('meta-ads', 'error', 'sent-after-withdrawal', 'sent');
    const page = await at.inside('viewer', '/console/canary');
    await shows(page, 'An item left after a withdrawal at Meta Custom Audiences. Treat it as an incident.');
  });
});

describe('comparisons with partners', () => {
  test('silence is never said to be clean; what was revoked again is shown with people masked', async () => {
    const page = await at.inside('operator', '/console/reconciliation');
    await shows(page, 'Not known: the connector of Dead End does not answer.');
    world.connectors.comparison = {
      ...{ id: 'r1', recipient: 'hubspot-crm', askedBy: 'operator', state: 'done', reason: null },
      ...{ startedAt: '2026-11-22T10:00:00.000Z', endedAt: '2026-11-22T10:00:02.000Z' },
      counts: { checked: 200, extra: 1, repaired: 1, stale: 0, missing: 2, unreadable: 0 },
      findings: [{ kind: 'extra', subjectKey: subject(4711), purposes: ['email-marketing'] }],
    };
    await shows(page, /still served at a partner after a withdrawal; each was revoked again/);
    await page
      .getByRole('row', { name: /Extra.*••••4711.*email-marketing/ })
      .first()
      .waitFor();
    expect(await page.textContent('main')).not.toContain(subject(4711));
    await page.getByRole('button', { name: 'Compare now: HubSpot' }).click();
    await waitFor(() => Promise.resolve(world.connectors.comparisons.length > 0), {
      timeoutMs: 5_000,
      what: 'the connector to be asked',
    });
    expect(world.connectors.comparisons).toEqual(['hubspot-crm']);
  });
});

describe('breaking the partners of a local stack', () => {
  test('switches are flipped by the keyboard, kept, audited; a viewer only looks', async () => {
    const viewer = await at.inside('viewer', '/console/break-it');
    await shows(viewer, 'Every partner behaves.');
    expect(await viewer.getByRole('checkbox', { name: /Down/ }).first().isDisabled()).toBe(true);
    const page = await at.inside('operator', '/console/break-it');
    const down = page.getByRole('group', { name: 'Faults of HubSpot' }).getByRole('checkbox', { name: /^Down/ });
    await down.focus();
    await page.keyboard.press('Space');
    await shows(page, '1 fault on at HubSpot.');
    // The page shows it at once, the partner is told a moment later.
    await waitFor(() => Promise.resolve(world.connectors.switched), {
      timeoutMs: 10_000,
      what: 'the demo world to be told',
    });
    expect(world.connectors.switched).toEqual({ recipient: 'hubspot-crm', on: ['down'] });
    await page.reload();
    await shows(page, '1 fault on at HubSpot.');
    await page.getByRole('button', { name: 'Import an old list again at HubSpot' }).click();
    await page.getByText('Subscribed again: 7 people.').waitFor();
    const { rows } = await world.pool.query<{ action: string }>(
      `SELECT action FROM audit WHERE action LIKE 'demo-%' ORDER BY id`,
    );
    expect(rows.map(({ action }) => action)).toEqual(['demo-faults', 'demo-re-import']);
  });
});

describe('every page in the states of its data', () => {
  test.each([
    ['wide and light', 'en-GB', null, { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }],
    ['320 px and dark', 'fr-FR', looks, { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }],
  ] as const)(
    '%s, %s: no violation of WCAG 2.2 AA, no horizontal scroll bar',
    async (_name, locale, rules, look) => {
      const page = await at.inside('operator', '/console/', { ...look, locale });
      for (const path of ['/canary', '/reconciliation', '/break-it']) {
        await page.goto(`${world.url}/console${path}`);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await loaded(page);
        expect({ path, violations: await violations(page, rules && [...rules]) }).toEqual({ path, violations: [] });
        expect({ path, overflow: await overflow(page) }).toEqual({ path, overflow: 0 });
      }
    },
    120_000,
  );

  test.each([
    [
      'an answer that is not JSON',
      { status: 200, contentType: 'text/html', body: '<h1>proxy</h1>' },
      'Something failed on our side.',
    ],
    ['a fault with its reference', { status: 500, headers: { 'x-request-id': 'req-4711' }, body: '{}' }, 'req-4711'],
    ['no answer at all', null, 'The ops service does not answer.'],
  ] as const)('%s is a problem, never an empty page; trying again mends it', async (_what, answer, said) => {
    const page = await at.inside('admin');
    await page.route('**/v1/audit', (route) => (answer ? route.fulfill({ ...answer }) : route.abort()));
    await page.goto(`${world.url}/console/audit`);
    await page.getByRole('alert').getByText(said).waitFor();
    expect(await page.getByText('Nothing yet.').count()).toBe(0);
    expect(await violations(page)).toEqual([]);
    await page.unroute('**/v1/audit');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page
      .getByRole('row', { name: /looked at this log/ })
      .first()
      .waitFor();
  });

  test('a page that a role does not allow says so, and an address of nobody’s too', async () => {
    const page = await at.inside('viewer', '/console/audit');
    await page.getByRole('alert').getByText('Your role does not allow this.').waitFor();
    await page.goto(`${world.url}/console/withdrawals/chg_00000000-0000-7000-8000-000000000000`);
    await page.getByRole('alert').getByText('Nothing is known under this address.').waitFor();
  });

  test('a withdrawal whose acceptance the partner did not keep shows when it was taken back', async () => {
    const id = await planted.withdrawal({
      agoMs: 120_000,
      subjectKey: subject(31),
      at: { 'hubspot-crm': { state: 'retrying', reason: 'still-served', attempts: 2 } },
    });
    await world.pool.query(
      `UPDATE propagation SET contradicted_at = committed_at + interval '70 seconds' WHERE subject_key = $1`,
      [subject(31)],
    );
    const page = await at.inside('viewer', `/console/withdrawals/${id}`);
    await page.getByText(/Taken back .* the partner did not keep it/).waitFor();
  });

  test('a gate that is silent is BLIND in a sentence and a word, not a good page', async () => {
    await world.pool.query(`UPDATE gate_start SET last_beat_at = clock_timestamp() - interval '5 seconds'`);
    const page = await at.inside('viewer');
    await shows(page, /is silent/);
    await page.getByRole('row', { name: /Blind/ }).first().waitFor();
    expect(await violations(page)).toEqual([]);
    await world.pool.query(`UPDATE gate_start SET last_beat_at = clock_timestamp() + interval '1 hour'`);
  });
});

describe('what makes a picture doubtful is said beside it', () => {
  test('a clock that is off, alerts that fire, silences with who and until when; an Alertmanager that does not answer', async () => {
    const page = await at.inside('viewer');
    await page.getByText('No alert fires.').waitFor();
    await page.getByText(/Every withdrawal answered before this moment/).waitFor();
    await writeFile(skew, '');
    const labels = { alertname: 'ConsentPartnerDown', connector: 'meta-ads', severity: 'ticket' };
    const runbook = { owner: 'partner', runbook_url: 'docs/runbooks/ConsentPartnerDown.md' };
    world.connectors.alertmanager = {
      alerts: [
        {
          labels,
          annotations: { summary: 'meta-ads does not answer', ...runbook },
          startsAt: '2026-11-22T10:00:00Z',
          status: { state: 'suppressed', silencedBy: ['s1'], inhibitedBy: [] },
        },
      ],
      silences: [
        {
          ...{ id: 's1', status: { state: 'active' }, createdBy: 'Otto', comment: 'Meta is being moved' },
          ...{ startsAt: '2026-11-22T10:00:00Z', endsAt: '2026-11-22T12:00:00Z' },
          matchers: [{ name: 'alertname', value: 'ConsentPartnerDown', isEqual: true, isRegex: false }],
        },
      ],
    };
    await page.getByText(/is 1\.5.s ahead of the database/).waitFor();
    await page.getByText(/Silenced by Otto: ConsentPartnerDown\. Nobody is called for it until/).waitFor();
    await page.getByRole('row', { name: /ConsentPartnerDown.*nobody: silenced.*meta-ads/ }).waitFor();
    expect(await violations(page)).toEqual([]);
    const narrow = { locale: 'fr-FR', colorScheme: 'dark', viewport: { width: 320, height: 640 } } as const;
    const french = await at.inside('viewer', '/console/', narrow);
    await french.getByText(/avance de 1,5.s sur la base/).waitFor();
    await french.getByText(/En sourdine, par Otto : ConsentPartnerDown\. Personne n’est appelé avant/).waitFor();
    expect(await violations(french, looks)).toEqual([]);
    expect(await overflow(french)).toBe(0);
    await rm(skew);
    world.connectors.alertmanager = null;
    await page.getByText(/Alertmanager does not answer/).waitFor();
    // What still works, works: the rest of the page does not need it.
    await page.getByRole('table', { name: 'Recipients' }).waitFor();
    world.connectors.alertmanager = { alerts: [], silences: [] };
    await page.getByText('No alert fires.').waitFor();
  }, 90_000);

  test('a line that is open and silent: how old the page is, until it speaks again', async () => {
    const page = await at.inside('viewer', '/console/leaks');
    await page.getByText('Live', { exact: true }).waitFor();
    await world.ops.signal('SIGSTOP');
    await page.getByText(/^Last update \d+.s ago$/).waitFor({ timeout: 15_000 });
    expect(await violations(page)).toEqual([]);
    await world.ops.signal('SIGCONT');
    await page.getByText('Live', { exact: true }).waitFor({ timeout: 15_000 });
  });

  test('before the first answer a page says that it loads, and nothing else', async () => {
    const page = await at.inside('viewer', '/console/canary');
    await page.route('**/v1/leaks*', () => undefined);
    await page.getByRole('link', { name: 'Leaks' }).click();
    await shows(page, 'Loading…');
    expect(await violations(page)).toEqual([]);
    expect(await page.getByRole('table').count()).toBe(0);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  });
});

describe('bad input', () => {
  test.each([
    ['/v1/canaries/runs/nonsense', undefined, 404],
    ['/v1/canaries/segment-analytics/runs', {}, 403],
    ['/v1/reconciliations/hubspot-crm', {}, 403],
    ['/v1/demo/switches', { recipient: 'hubspot-crm', on: [] }, 403],
  ] as const)('%s with a token that may only look: %j → %i', async (path, body, status) => {
    expect((await world.ask(path, body)).status).toBe(status);
  });
});
