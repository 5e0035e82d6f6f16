import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '@entente/test-support';
import type { Browser } from 'playwright-core';
import { openBrowser } from './console/browser.ts';
import { Planted, plantAfternoon, subject } from './console/planted.ts';
import { ConsoleBrowser, looks, overflow, shows, violations } from './console/session.ts';
import { startConsoleWorld, type ConsoleWorld } from './console/world.ts';

interface Page {
  readonly items: { readonly changeId: string }[];
  readonly next: string | null;
}

let world: ConsoleWorld;
let browser: Browser;
let planted: Planted;
let ids: Awaited<ReturnType<typeof plantAfternoon>>;
let at: ConsoleBrowser;

beforeAll(async () => {
  [world, browser] = await Promise.all([startConsoleWorld(), openBrowser()]);
  planted = new Planted(world.pool, world.controller);
  at = new ConsoleBrowser(browser, world);
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await world?.stop();
});
afterEach(() => at.close());

describe('signing in', () => {
  test('an OpenID Connect provider lets a person in, and back to the page they asked for; the cookie is out of reach', async () => {
    const page = await at.open();
    await at.signIn(page, 'viewer', '/console/stuck');
    await shows(page, 'Nothing waits: every withdrawal that was seen is enforced.');
    expect(page.url()).toBe(`${world.url}/console/stuck`);
    const [cookie] = (await page.context().cookies()).filter(({ name }) => name === 'entente-session');
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' });
    expect(await page.evaluate('document.cookie')).toBe('');
    const { rows } = await world.pool.query<{ text: string }>(
      'SELECT console_session::text AS text FROM console_session',
    );
    expect(rows.every(({ text }) => !text.includes(cookie!.value))).toBe(true);
  });

  test('somebody without a role, a forged state and a code of another sign-in get no session', async () => {
    const page = await at.open();
    await at.signIn(page, 'guest');
    await page.getByText('This person has no role in the console.').waitFor();
    const forged = await page.goto(`${world.url}/console/signed-in?code=abc&state=abc`);
    expect([forged?.status(), await page.textContent('body')]).toEqual([400, expect.stringContaining('sign-in-over')]);
    await page.goto(`${world.url}/console/sign-in?to=https://elsewhere.example/`);
    const state = new URL(page.url()).searchParams.get('state');
    const stolen = await page.goto(`${world.url}/console/signed-in?code=abc&state=${state}`);
    expect([stolen?.status(), await page.textContent('body')]).toEqual([
      502,
      expect.stringContaining('sign-in-failed'),
    ]);
    expect((await page.context().cookies()).some(({ name }) => name === 'entente-session')).toBe(false);
  });

  test('a session does nothing for another site, ends when told to, and an ended one says so without losing the page', async () => {
    const page = await at.inside('operator');
    const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    const headers = { cookie, 'content-type': 'application/json' };
    const body = JSON.stringify({ recipient: 'meta-ads' });
    const foreign = await fetch(`${world.url}/v1/parked/replay`, {
      method: 'POST',
      headers: { ...headers, origin: 'https://elsewhere.example' },
      body,
    });
    expect([foreign.status, await foreign.json()]).toEqual([
      403,
      expect.objectContaining({ type: 'urn:entente:problem:cross-site-request' }),
    ]);
    await page.getByRole('link', { name: 'Find a person' }).click();
    await page.getByLabel('Customer id or subject key').fill(subject(1));
    await page.getByLabel('Reason').fill('request 4711');
    await world.pool.query('DELETE FROM console_session');
    at.forget();
    await page.getByRole('button', { name: 'Find' }).click();
    await page.getByText('Your session has ended.').waitFor();
    expect(await page.getByLabel('Reason').inputValue()).toBe('request 4711');
    expect((await fetch(`${world.url}/v1/overview`, { headers })).status).toBe(401);
  });

  test('Sign out ends the session on the server', async () => {
    const page = await at.inside('viewer');
    const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    await page.getByRole('button', { name: 'Sign out' }).click();
    at.forget('viewer');
    await page.getByRole('link', { name: 'Sign in' }).waitFor();
    expect((await fetch(`${world.url}/v1/overview`, { headers: { cookie } })).status).toBe(401);
  });
});

describe('what is said before anything happened, and when nothing is known', () => {
  test('no recipient, then one never heard of: never "enforced everywhere"', async () => {
    const page = await at.inside('viewer');
    await shows(page, 'There is no recipient yet');
    await planted.recipient('early-bird', 'Early Bird');
    await shows(page, 'The connector of Early Bird was never heard of');
    await planted.gate(['early-bird']);
    await shows(page, 'Every withdrawal is enforced everywhere.');
    await world.pool.query(`UPDATE gate_start SET last_beat_at = clock_timestamp() - interval '5 seconds'`);
    await shows(page, 'The connector of Early Bird is silent');
    await world.pool.query(`DELETE FROM gate_start; DELETE FROM recipient`);
  });
});

describe('a bad afternoon', () => {
  beforeAll(async () => {
    ids = await plantAfternoon(planted);
    world.connectors.parked = 3;
  });

  test('the overview says the worst first, and the deadlines were judged once', async () => {
    const page = await at.inside('viewer');
    await shows(page, /Meta Custom Audiences accepts nothing: 12 withdrawals wait, the oldest for/);
    const [first, second, third] = await page
      .getByRole('table', { name: 'Recipients' })
      .getByRole('rowheader')
      .allTextContents();
    expect([first, second, third].map((text) => text?.replace('Recipient', ''))).toEqual([
      'Meta Custom Audiences',
      'HubSpot',
      'Segment',
    ]);
    await waitFor(
      async () => {
        const { rows } = await world.pool.query<{ judged: number; open: number }>(
          `SELECT (SELECT sum(met + missed_pipeline + missed_partner)::int FROM deadline_hour WHERE within = '10s' AND controller = $1) AS judged,
                  (SELECT count(*)::int FROM propagation WHERE deadlines_judged = 0 AND controller = $1) AS open`,
          [world.controller],
        );
        return rows[0]?.open === 0 && rows[0].judged === 100;
      },
      { timeoutMs: 10_000, what: 'each of the 100 judged once' },
    );
    // The delays of all are read every ten seconds, for all who look.
    await page.getByRole('cell', { name: /us 0, them 1\d/ }).waitFor({ timeout: 30_000 });
    await page.getByText('Live', { exact: true }).waitFor();
  });

  test.each([
    ['wide and light', 'en-GB', null, { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }],
    ['320 px and dark', 'fr-FR', looks, { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }],
  ] as const)(
    '%s, %s: every page without a violation of WCAG 2.2 AA or a horizontal scroll bar',
    async (_name, locale, rules, look) => {
      const page = await at.inside('admin', '/console/', { ...look, locale });
      const paths = [
        '/',
        '/stuck',
        '/parked',
        '/leaks',
        '/people',
        '/audit',
        '/connectors/meta-ads',
        `/withdrawals/${ids.stuck}`,
        '/no-such-page',
      ];
      for (const path of paths) {
        await page.goto(`${world.url}/console${path}`);
        await page.getByRole('heading', { level: 1 }).waitFor();
        // Asked from outside: the page's policy allows no script of ours in it.
        await waitFor(async () => !/Loading…|Chargement…/.test(await page.innerText('body')), {
          timeoutMs: 10_000,
          what: `${path} to be loaded`,
        });
        expect({ path, violations: await violations(page, rules && [...rules]) }).toEqual({ path, violations: [] });
        expect({ path, overflow: await overflow(page) }).toEqual({ path, overflow: 0 });
        expect(await page.getAttribute('html', 'lang')).toBe(locale.slice(0, 2));
      }
    },
    240_000,
  );

  test('the language and the light are chosen at the foot of every page and kept', async () => {
    const page = await at.inside('viewer');
    await page.getByLabel('Language').selectOption('fr');
    await shows(page, /Meta Custom Audiences n’accepte rien/);
    await page.getByLabel('Thème').selectOption('dark');
    await page.reload();
    await shows(page, /n’accepte rien/);
    expect(await page.evaluate('getComputedStyle(document.documentElement).colorScheme')).toBe('dark');
  });

  test('from the list of what is not enforced to one withdrawal, which shows both facts apart and is written down', async () => {
    const page = await at.inside('viewer', '/console/stuck');
    await page.getByLabel('Recipient').selectOption('meta-ads');
    await page.getByLabel('State').selectOption('retrying');
    await page.getByRole('cell', { name: 'timeout' }).first().waitFor();
    await waitFor(async () => (await page.getByRole('row').count()) === 13, { timeoutMs: 10_000, what: '12 rows' });
    await page.getByRole('rowheader').first().getByRole('link').click();
    await shows(page, 'It has arrived at 1 of 2 recipients. We send nothing to any of them.');
    await page.getByRole('row', { name: /Meta Custom Audiences.*Trying again.*35.ms/ }).waitFor();
    expect(await page.textContent('main')).not.toContain(subject(100));
    const { rows } = await world.pool.query(`SELECT actor, via, target FROM audit WHERE action = 'view-withdrawal'`);
    expect(rows).toContainEqual({ actor: 'viewer', via: 'console', target: subject(100) });
  });

  test('the recipient’s page: stages, a chart that the keyboard reads, its table, and a heat map that leads to a case', async () => {
    const page = await at.inside('viewer', '/console/connectors/meta-ads');
    await page.getByRole('row', { name: /Commit to gate closed/ }).waitFor();
    const chart = page.getByRole('slider', { name: 'Time until the partner accepts' });
    const before = await chart.getAttribute('aria-valuetext');
    await chart.focus();
    await page.keyboard.press('ArrowLeft');
    expect(await chart.getAttribute('aria-valuetext')).toMatch(/p50 .*, p95 .*, p99 .*, \d+ withdrawals?/);
    expect(await chart.getAttribute('aria-valuetext')).not.toBe(before);
    await page.getByText('The same as a table').click();
    await page.getByRole('table', { name: 'Time until the partner accepts' }).getByRole('row').nth(1).waitFor();
    await page
      .getByRole('row', { name: /not accepted yet/ })
      .getByRole('link')
      .last()
      .click();
    await shows(page, 'It has arrived at 1 of 2 recipients.');
  });

  test('parked work: a viewer reads, an operator checks first, sees what is dropped, then runs; the keyboard is enough', async () => {
    await planted.withdrawal({
      agoMs: 60_000,
      subjectKey: subject(200),
      version: 2,
      at: { 'hubspot-crm': { state: 'parked', reason: 'missing-identifier' } },
    });
    const viewer = await at.inside('viewer', '/console/parked');
    await viewer.getByText('Needs the role operator').first().waitFor();
    const page = await at.inside('operator', '/console/parked');
    await page.getByRole('button', { name: /missing-identifier/ }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Try again at HubSpot' });
    await dialog.getByText('Would be tried again: 3 people').waitFor();
    await dialog.getByText('Dropped as superseded: 1 withdrawal.').waitFor();
    expect(await violations(page)).toEqual([]);
    expect(world.connectors.replays).toEqual([
      { recipient: 'hubspot-crm', reason: 'missing-identifier', dryRun: true },
    ]);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Try again now');
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    world.connectors.replaying = answered;
    await page.keyboard.press('Enter');
    await dialog.getByText('Running…').waitFor();
    expect(await violations(page)).toEqual([]);
    answer();
    await dialog.getByText('Being tried again: 3 people.').waitFor();
    expect(world.connectors.replays.at(-1)).toMatchObject({ dryRun: false });
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    world.connectors.status = 503;
    await page.getByRole('button', { name: /authentication/ }).click();
    await page.getByRole('alert').getByText('The connector answered 503. Nothing is known to have changed.').waitFor();
    world.connectors.status = 200;
  });

  test('leaks: "0" only with how much was looked at; then the evidence, masked for who may only look', async () => {
    const viewer = await at.inside('viewer', '/console/leaks');
    await shows(viewer, 'No send is on record here, so nothing has been looked at.');
    expect(await violations(viewer)).toEqual([]);
    await planted.lookedAt('meta-ads', 12_345);
    await shows(viewer, /^0 leaks since .*, looked at 12,345 sends\.$/);
    for (let n = 0; n < 60; n += 1)
      await planted.leak({
        ...{ recipient: 'meta-ads', purpose: 'personalised-ads', subjectKey: subject(100), agoMs: 1_000 - n },
        detector: n === 59 ? 'egress_audit' : 'canary',
      });
    await planted.leak({
      ...{ recipient: 'hubspot-crm', purpose: 'email-marketing,personalisation', subjectKey: subject(3), agoMs: 500 },
      detector: 'readback',
    });
    await shows(viewer, 'At least 50 leaks. Treat each as an incident.');
    await viewer
      .getByRole('row', { name: /HubSpot.*email-marketing, personalisation.*Reading the partner back/ })
      .waitFor();
    expect(await viewer.textContent('main')).not.toContain(subject(100));
    await viewer.getByLabel('Recipient').selectOption('hubspot-crm');
    await shows(viewer, '1 leak. Treat each as an incident.');
    const page = await at.inside('operator', '/console/leaks?recipient=meta-ads');
    await page.getByRole('button', { name: 'Show more' }).focus();
    await page.keyboard.press('Enter');
    await waitFor(async () => (await page.getByRole('cell', { name: subject(100) }).count()) === 60, {
      timeoutMs: 10_000,
      what: 'each of the 60 once',
    });
    expect(await violations(page)).toEqual([]);
    await page
      .getByRole('row', { name: /Replay of what left/ })
      .getByRole('link', { name: /later$/ })
      .focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'One withdrawal' }).waitFor();
    const { rows } = await world.pool.query(`SELECT DISTINCT actor, target FROM audit WHERE action = 'view-leaks'`);
    expect(rows).toEqual(expect.arrayContaining([{ actor: 'operator', target: 'meta-ads' }]));
    expect((await world.ask('/v1/leaks?since=2999-01-01')).answer).toMatchObject({ items: [], next: null });
    await world.pool.query('DELETE FROM leak; DELETE FROM egress_day');
  });

  test('a person is found for a reason, and an admin reads who looked', async () => {
    const page = await at.inside('admin', '/console/people');
    await page.getByRole('button', { name: 'Find' }).click();
    await page.getByText('Say whom you look for.').waitFor();
    await page.getByLabel('Customer id or subject key').fill('customer-4711');
    await page.getByLabel('Reason').fill('request 4711');
    world.connectors.subjectKey = subject(100);
    await page.getByRole('button', { name: 'Find' }).click();
    await page.getByRole('table', { name: /Withdrawals of ••••/ }).waitFor();
    await page.getByRole('link', { name: 'Audit' }).click();
    await page.getByRole('row', { name: /admin.*looked up a person.*request 4711/ }).waitFor();
    await page.getByRole('row', { name: /operator.*replayed parked work.*hubspot-crm/ }).waitFor();
    const log = await readFile(world.ops.log!, 'utf8');
    expect(log.includes('customer-4711') || log.includes(subject(100))).toBe(false);
  });

  test('the service goes away: the page keeps what it knew, says how old it is, and comes back by itself', async () => {
    const page = await at.inside('viewer');
    await shows(page, /accepts nothing/);
    const judged = `SELECT sum(met + missed_pipeline + missed_partner)::int AS checks,
                      (SELECT sum(deadlines_judged)::int FROM propagation) AS marks FROM deadline_hour`;
    await world.ops.signal('SIGTERM');
    await page.getByText(/Reconnecting\. What you see is/).waitFor({ timeout: 10_000 });
    await shows(page, /accepts nothing/);
    await world.ops.start();
    await world.ops.ready();
    await page.getByText('Live', { exact: true }).waitFor({ timeout: 15_000 });
    // As many judgements as marks: the restart has neither skipped nor repeated one.
    const { rows } = await world.pool.query<{ checks: number; marks: number }>(judged);
    expect(rows[0]!.checks).toBe(rows[0]!.marks);
  }, 60_000);
});

describe('the API behind it', () => {
  test('pages by keyset: every row once, in order, whatever arrives meanwhile', async () => {
    const seen: string[] = [];
    let path = '/v1/stuck?limit=7';
    for (let next: string | null = ''; next !== null; path = `/v1/stuck?limit=7&after=${next}`) {
      const { answer } = (await world.ask(path)) as unknown as {
        answer: { items: { changeId: string; recipient: string }[]; next: string | null };
      };
      seen.push(...answer.items.map(({ changeId, recipient }) => `${changeId} ${recipient}`));
      next = answer.next;
    }
    expect(seen.length).toBe(17);
    expect(new Set(seen).size).toBe(17);
  });

  test('who may only look is told nobody’s subject key: not in a list, not in one withdrawal, not in a cursor', async () => {
    for (const agoMs of [2_000, 1_000])
      await planted.leak({
        ...{ recipient: 'meta-ads', purpose: 'personalised-ads', subjectKey: subject(100), agoMs },
        detector: 'canary',
      });
    const { answer: stuckNow } = (await world.ask('/v1/stuck?limit=1')) as unknown as { answer: Page };
    const { answer: leaksNow } = (await world.ask('/v1/leaks?limit=1')) as unknown as { answer: Page };
    expect([typeof stuckNow.next, typeof leaksNow.next]).toEqual(['string', 'string']);
    const paths = [
      ...['/v1/overview', '/v1/status', '/v1/live', '/v1/parked', '/v1/reconciliations', '/v1/canaries'],
      ...['/v1/connectors/hubspot-crm', '/v1/stuck?limit=1', '/v1/leaks?limit=1'],
      `/v1/propagations/${stuckNow.items[0]?.changeId}`,
      ...[`/v1/stuck?after=${stuckNow.next}`, `/v1/leaks?after=${leaksNow.next}`],
    ];
    for (const path of paths) {
      const { status, answer } = await world.ask(path);
      const text = JSON.stringify(answer);
      const opened = (text.match(/[\w-]{16,}/g) ?? []).map((part) => Buffer.from(part, 'base64url').toString('latin1'));
      expect([path, status, [text, ...opened].some((one) => /k\d{1,3}\.[\w-]{22}/.test(one))]).toEqual([
        path,
        200,
        false,
      ]);
    }
    // Sealed for its own list: a foreign or bent one is no cursor.
    for (const path of [
      `/v1/leaks?after=${stuckNow.next}`,
      `/v1/stuck?after=${leaksNow.next}`,
      `/v1/stuck?after=A${stuckNow.next}`,
    ]) {
      const { status, answer } = await world.ask(path);
      expect([status, answer['errors']]).toEqual([400, [{ pointer: '/after', detail: expect.any(String) }]]);
    }
  });

  test.each([
    ['/v1/stuck?limit=0', 'limit'],
    ['/v1/stuck?limit=100000', 'limit'],
    ['/v1/stuck?limit=5&limit=6', 'limit'],
    ['/v1/stuck?after=nonsense', 'after'],
    [
      `/v1/stuck?after=${Buffer.from('["2026-99-99 00:00:00+00","k1.aaaaaaaaaaaaaaaaaaaaaa",1,"a"]').toString('base64url')}`,
      'after',
    ],
    ['/v1/stuck?recipient=No%20Such', 'recipient'],
    ['/v1/stuck?state=lost', 'state'],
    ['/v1/leaks?since=yesterday', 'since'],
    ['/v1/leaks?since=0001-01-01', 'since'],
    ['/v1/leaks?recipient=No%20Such', 'recipient'],
    [
      `/v1/leaks?after=${Buffer.from('["2026-11-22 00:00:00+00","k1.aaaaaaaaaaaaaaaaaaaaaa","a"]').toString('base64url')}`,
      'after',
    ],
    ['/v1/stuck?colour=red', ''],
    ['/v1/connectors/No%20Such', 'recipient'],
    ['/v1/propagations/chg_1', 'changeId'],
  ])('%s is a problem that names the parameter', async (path, parameter) => {
    const { status, answer } = await world.ask(path);
    expect([status, answer['errors']]).toEqual([
      400,
      [{ pointer: parameter && `/${parameter}`, detail: expect.any(String) }],
    ]);
  });

  test('a machine with ops:read may look and may not act; unknown recipients and unreachable connectors are said', async () => {
    expect((await world.ask('/v1/connectors/no-such')).status).toBe(404);
    expect((await world.ask('/v1/parked/replay', { recipient: 'hubspot-crm' })).status).toBe(403);
    expect((await world.ask('/v1/audit')).status).toBe(403);
    expect((await world.ask('/v1/people/find', { subjectKey: subject(1) })).answer['errors']).toEqual(
      expect.arrayContaining([expect.objectContaining({ pointer: '/reason' })]),
    );
  });

  test('a record nobody could read keeps anybody from saying that all is enforced, until an operator has looked into it', async () => {
    await world.pool.query(
      `INSERT INTO quarantine (topic, partition, log_offset, reason) VALUES ('consent.revocations.v1', 3, 7, 'no type')`,
    );
    const record = { topic: 'consent.revocations.v1', partition: 3, offset: '7' };
    const { answer } = (await world.ask('/v1/unreadable-records')) as unknown as {
      answer: { records: { at: string }[] };
    };
    expect(answer.records).toEqual([{ ...record, reason: 'no type', at: expect.any(String) }]);
    expect((await world.ask('/v1/status')).answer).toMatchObject({ allEnforced: false, unreadableRecords: 1 });
    const dismiss = { ...record, at: answer.records[0]?.at, reason: 'written by hand' };
    const bad = await world.ask('/v1/unreadable-records/dismiss', { ...dismiss, offset: 7, topic: 'x' }, 'operator');
    expect([bad.status, bad.answer['errors']]).toEqual([
      400,
      expect.arrayContaining([
        expect.objectContaining({ pointer: '/offset' }),
        expect.objectContaining({ pointer: '/topic' }),
      ]),
    ]);
    const answers = [
      await world.ask('/v1/unreadable-records/dismiss', dismiss),
      await world.ask('/v1/unreadable-records/dismiss', dismiss, 'operator'),
      await world.ask('/v1/unreadable-records/dismiss', dismiss, 'operator'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 200, 404]);
    expect((await world.ask('/v1/status')).answer).toMatchObject({ unreadableRecords: 0 });
    const { rows } = await world.pool.query(
      `SELECT target, reason FROM audit WHERE action = 'dismiss-record' ORDER BY id LIMIT 1`,
    );
    expect(rows).toEqual([{ target: 'consent.revocations.v1/3/7', reason: 'written by hand' }]);
  });

  test('nothing inline, nothing from elsewhere, and the nonce is fresh', async () => {
    const policies = await Promise.all(
      [1, 2].map(async () => (await fetch(`${world.url}/console/`)).headers.get('content-security-policy') ?? ''),
    );
    expect(policies[0]).not.toContain('unsafe');
    expect(policies[0]).toContain("default-src 'none'");
    expect(policies[0]).not.toBe(policies[1]);
    const asset = /\/console\/assets\/[^"]+\.js/.exec(await (await fetch(`${world.url}/console/`)).text())![0];
    expect((await fetch(world.url + asset)).headers.get('cache-control')).toContain('immutable');
    expect((await fetch(`${world.url}/console/assets/..%2Findex.html`)).status).toBe(404);
  });
});
