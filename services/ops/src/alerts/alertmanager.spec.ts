import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLogger, ManualClock } from '@entente/observability';
import { Alertmanager } from './alertmanager.ts';

const log = createLogger({ service: 'test', level: 'silent' });
let server: Server;
let url: string;
let answers: Readonly<Record<string, unknown>>;

beforeAll(async () => {
  server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const answer = answers[path];
    response
      .writeHead(answer === undefined ? 500 : 200)
      .end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/am`;
});
afterAll(() => void server.close());

const view = (given: Readonly<Record<string, unknown>>) => {
  answers = given;
  return new Alertmanager(url, new ManualClock(), log).view();
};

const alert = (alertname: string, labels: object = {}, silencedBy: string[] = []) => ({
  labels: { alertname, ...labels },
  annotations: { summary: 'A withdrawal waits', owner: 'pipeline', runbook_url: 'docs/runbooks/X.md' },
  startsAt: '2026-11-22T10:00:00.000+01:00',
  status: { state: silencedBy.length > 0 ? 'suppressed' : 'active', silencedBy, inhibitedBy: [] },
});
const silence = (state: string, matchers: object[]) => ({
  ...{ id: 's1', status: { state }, createdBy: 'otto', comment: 'maintenance' },
  ...{ startsAt: '2026-11-22T09:00:00Z', endsAt: '2026-11-22T12:00:00Z', matchers },
});

describe('what Alertmanager says', () => {
  test('our alerts, pages first, with what is silenced; neither the watchdog nor anybody else’s', async () => {
    const said = await view({
      '/am/api/v2/alerts': [
        alert('ConsentPartnerDown', { connector: 'meta-ads', severity: 'ticket' }, ['s1']),
        alert('ConsentWatchdog', { severity: 'none' }),
        alert('DiskFull', { severity: 'page' }),
        alert('ConsentRevocationOverdue', { connector: 'meta-ads', severity: 'page' }),
      ],
      '/am/api/v2/silences': [],
    });
    expect(said.alerts.map(({ name, silenced }) => [name, silenced])).toEqual([
      ['ConsentRevocationOverdue', false],
      ['ConsentPartnerDown', true],
    ]);
    expect(said.alerts[0]).toMatchObject({
      recipient: 'meta-ads',
      since: '2026-11-22T09:00:00.000Z',
      owner: 'pipeline',
    });
  });

  test('active silences that may concern us: of what, by whom, until when', async () => {
    const { silences } = await view({
      '/am/api/v2/alerts': [],
      '/am/api/v2/silences': [
        silence('active', [
          { name: 'alertname', value: 'ConsentPartnerDown', isEqual: true, isRegex: false },
          { name: 'connector', value: 'meta.*', isEqual: true, isRegex: true },
        ]),
        silence('active', [{ name: 'severity', value: 'page', isEqual: false, isRegex: false }]),
        silence('active', [{ name: 'alertname', value: 'DiskFull', isEqual: true, isRegex: false }]),
        silence('expired', [{ name: 'alertname', value: 'ConsentLeak', isEqual: true, isRegex: false }]),
      ],
    });
    const rest = { by: 'otto', until: '2026-11-22T12:00:00.000Z', comment: 'maintenance' };
    expect(silences).toEqual([
      { of: 'ConsentPartnerDown, connector=~meta.*', ...rest },
      { of: 'severity!=page', ...rest },
    ]);
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['an error', {}],
    ['a proxy’s page', { '/am/api/v2/alerts': '<h1>', '/am/api/v2/silences': [] }],
    ['another shape', { '/am/api/v2/alerts': { alerts: [] }, '/am/api/v2/silences': [] }],
  ])('%s is "does not answer", never "no alert"', async (_, given) =>
    expect(await view(given)).toEqual({ answers: false, alerts: [], silences: [] }),
  );

  test('lines without what an alert has are passed over', async () => {
    const given = {
      '/am/api/v2/alerts': [null, 3, {}, { labels: { alertname: 'ConsentLeak' } }],
      '/am/api/v2/silences': [{}],
    };
    expect(await view(given)).toEqual({ answers: true, alerts: [], silences: [] });
  });
});
