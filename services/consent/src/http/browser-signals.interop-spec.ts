import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chromiumPath, testDatabase } from '@entente/test-support';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';
import { signalCatalogue, tcString } from '../testing/signal-samples.ts';

/** What a real browser's own CMP libraries make and hand over reaches the record as it was made. */
let consent: ConsentUnderTest;
let site: Server;
let browser: Browser;
let page: Page;

const packages = ['@iabgpp/cmpapi', '@iabtcf/cmpapi', '@iabtcf/core'];
const entry = (name: string) => `/node_modules/${name}/lib/mjs/index.js`;
const imports = JSON.stringify({ imports: Object.fromEntries(packages.map((name) => [name, entry(name)])) });
const html = `<!doctype html><html lang="en"><title>A brand's page</title>
<script type="importmap">${imports}</script>
<script>
  window.handOver = async (signal) => (await fetch('/signal', { method: 'POST', body: JSON.stringify(signal) })).json();
</script></html>`;
const root = new URL('../../../../', import.meta.url);

/** The brand's own server: its page, the libraries, and a route that passes a visitor's signals on. */
function startSite(): Promise<Server> {
  const server = createServer((request, response) => {
    answer(request).then(
      ({ type, body }) => response.setHeader('content-type', type).end(body),
      () => response.writeHead(404).end(),
    );
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function answer(request: IncomingMessage): Promise<{ type: string; body: string }> {
  const path = request.url ?? '/';
  if (path === '/signal') {
    const { subjectId, ...signal } = JSON.parse(await text(request)) as { readonly subjectId: string };
    const gpc = request.headers['sec-gpc'];
    const headers = typeof gpc === 'string' ? { 'sec-gpc': gpc } : {};
    const { body } = await consent.post('/v1/signals', { subjectId, ...signal }, { headers });
    return { type: 'application/json', body: JSON.stringify(body) };
  }
  if (!packages.some((name) => path.startsWith(`/node_modules/${name}/lib/mjs/`)))
    return { type: 'text/html', body: html };
  return { type: 'text/javascript', body: await readFile(new URL(`.${path}`, root), 'utf8') };
}

const standing = async (subjectId: string): Promise<unknown> => {
  const { body } = await consent.get(`/v1/subjects/${subjectId}/consents`);
  const purposes = body['purposes'] as unknown as { purpose: string; decision: string }[];
  return Object.fromEntries(purposes.map(({ purpose, decision }) => [purpose, decision]));
};

beforeAll(async () => {
  const executablePath = chromiumPath();
  if (!existsSync(executablePath))
    throw new Error(`${executablePath} is missing: apt-get install chromium, or name one in ENTENTE_CHROMIUM`);
  consent = await startConsent(await testDatabase('browser_signals'));
  expect((await consent.post('/v1/catalogue/changes', signalCatalogue)).status).toBe(200);
  site = await startSite();
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
});

afterAll(async () => {
  await browser?.close();
  site?.closeAllConnections();
  site?.close();
  await consent?.stop();
});

describe('signals made by the libraries of IAB in a browser', () => {
  test('Q-4 a GPP string of usnat, asked for as vendors ask', async () => {
    const { raw, answered } = await page.evaluate<{ raw: string; answered: { results: object[] } }>(`(async () => {
      const { CmpApi } = await import('@iabgpp/cmpapi');
      const cmp = new CmpApi(880, 1);
      const fields = { SaleOptOut: 1, SaleOptOutNotice: 1, SharingOptOut: 2, SharingOptOutNotice: 1, SharingNotice: 1,
        TargetedAdvertisingOptOut: 2, TargetedAdvertisingOptOutNotice: 1, MspaCoveredTransaction: 2 };
      for (const [field, value] of Object.entries(fields)) cmp.setFieldValueBySectionId(7, field, value);
      cmp.setApplicableSections([7]);
      cmp.setSignalStatus('ready');
      const raw = await new Promise((resolve) => window.__gpp('ping', (ping) => resolve(ping.gppString)));
      return { raw, answered: await handOver({ subjectId: 'browser-gpp', kind: 'gpp', raw }) };
    })()`);
    expect(raw).toMatch(/^DBABLA~/);
    expect(answered.results).toContainEqual(
      expect.objectContaining({ purpose: 'ads', says: 'denies', because: 'usnat:SaleOptOut', decision: 'denied' }),
    );
    expect(await standing('browser-gpp')).toEqual({ ads: 'denied', legacy: 'denied' });
    const { body } = await consent.get('/v1/subjects/browser-gpp/views/gpp');
    expect(body).toMatchObject({ optOuts: { SaleOptOut: true } });
  });

  test('T-2 a TC string through the API of a page, byte for byte', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const made = tcString({ purposes: [1, 3, 4, 7], vendors: [100], updated: today });
    const { raw, answered } = await page.evaluate<{ raw: string; answered: { results: object[] } }>(`(async () => {
      const { CmpApi } = await import('@iabtcf/cmpapi');
      new CmpApi(880, 1, true).update(${JSON.stringify(made)}, false);
      const raw = await new Promise((resolve) => window.__tcfapi('addEventListener', 2, (data) => resolve(data.tcString)));
      const notice = { id: 'privacy', version: 1 };
      return { raw, answered: await handOver({ subjectId: 'browser-tcf', kind: 'tcf', raw, notice }) };
    })()`);
    expect(raw).toBe(made);
    expect(answered.results).toContainEqual(expect.objectContaining({ purpose: 'ads', decision: 'granted' }));
    expect(await standing('browser-tcf')).toMatchObject({ ads: 'granted', analytics: 'denied' });
    const { body } = await consent.get('/v1/subjects/browser-tcf/views/tcf');
    expect(body).toMatchObject({ tcString: { string: made } });
  });

  test('P-1 Sec-GPC as a browser’s request carries it', async () => {
    await page.setExtraHTTPHeaders({ 'Sec-GPC': '1' });
    const answered = await page.evaluate(`handOver({ subjectId: 'browser-gpc', kind: 'gpc' })`);
    expect(answered).toMatchObject({ results: [{ because: 'sec-gpc' }, {}, {}] });
    expect(await standing('browser-gpc')).toEqual({ ads: 'denied', legacy: 'denied', measurement: 'denied' });
  });
});
