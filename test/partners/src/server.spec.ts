import { afterEach, describe, expect, test } from '@jest/globals';
import { appendFile, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import type { Fault } from './faults.ts';
import { type Reply, type Served, serving, stopServing } from './testing/serving.ts';

const bearer = { authorization: 'Bearer test-token' };
const start = (options = {}): Promise<Served> => serving('hubspot', options, bearer);
const path = (email: string): string =>
  `/communication-preferences/2026-03/statuses/${email}/unsubscribe-all?channel=EMAIL`;
const unsubscribe = (hubspot: Served, email = 'a@b.de'): Promise<Reply> => hubspot.call('POST', path(email));
const effects = async (hubspot: Served): Promise<readonly string[]> =>
  (await hubspot.effects()).map(({ what }) => what);

afterEach(stopServing);

describe('journal', () => {
  test('arrived, received, effect, answered: in this order, with both clocks and the identifiers as received', async () => {
    const hubspot = await start();
    await unsubscribe(hubspot, 'A@B.de');
    const lines = (await hubspot.journal()).slice(1);
    expect(lines.map(({ t }) => t)).toEqual(['arrived', 'received', 'effect', 'answered']);
    expect(lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    const times = lines.map(({ ns }) => BigInt(ns));
    expect([...times].sort((a, b) => Number(a - b))).toEqual(times);
    expect(lines[0]).toMatchObject({
      method: 'POST',
      path: '/communication-preferences/2026-03/statuses/{email}/unsubscribe-all',
    });
    expect(lines[1]).toMatchObject({
      op: 'statuses.unsubscribeAll',
      asks: [{ what: 'unsubscribeAll', identifiers: ['A@B.de'] }],
    });
    expect(lines[3]).toMatchObject({ status: 200, faults: [] });
    expect(await hubspot.journal(4)).toHaveLength(1);
    expect(await hubspot.journal(99)).toEqual([]);
  });

  test('arrived is stamped at the first byte, not when the head is complete', async () => {
    const hubspot = await start();
    const socket = connect(Number(new URL(hubspot.url).port), '127.0.0.1');
    await once(socket, 'connect');
    const { localPort } = socket;
    socket.write(`POST ${path('a@b.de')} HTTP/1.1\r\n`);
    // Server and test share one loop: after a few exchanges of later bytes the first line has been read.
    for (let exchanges = 0; exchanges < 3; exchanges += 1) await hubspot.faults();
    const between = process.hrtime.bigint();
    socket.write('host: x\r\nauthorization: Bearer test-token\r\nconnection: close\r\n\r\n');
    await once(socket, 'data');
    const arrived = (await hubspot.journal())[1];
    expect(arrived).toMatchObject({ t: 'arrived', port: localPort });
    expect(BigInt(arrived?.ns ?? 0)).toBeLessThan(between);
    socket.destroy();
  });

  test('a body that never comes whole is kept as far as it came, without effect', async () => {
    const hubspot = await start();
    const socket = connect(Number(new URL(hubspot.url).port), '127.0.0.1');
    socket.write(`POST ${path('a@b.de')} HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{"inp`);
    await until(async () => (await hubspot.journal()).length >= 2);
    socket.destroy();
    await until(async () => (await hubspot.journal()).some(({ t }) => t === 'aborted'));
    const lines = await hubspot.journal();
    expect(lines.at(-1)).toMatchObject({ t: 'aborted', body: '{"inp', asks: [{ identifiers: ['a@b.de'] }] });
    expect(lines).toHaveLength(3);
  });

  test('bytes that are not HTTP are an arrival too; an idle connection that breaks is not', async () => {
    const hubspot = await start();
    const socket = connect(Number(new URL(hubspot.url).port), '127.0.0.1');
    socket.write('hello\r\n\r\n');
    await once(socket, 'close');
    expect((await hubspot.journal()).slice(1)).toMatchObject([{ t: 'arrived', path: '(not HTTP)' }]);
  });

  test('a restart rebuilds the store and the clock from the file and drops a torn last line', async () => {
    const first = await start();
    await unsubscribe(first);
    await first.advanceClock(5_000);
    await first.stop();
    await appendFile(first.file, '{"seq":9,"t":"eff');
    const second = await start({ journal: first.file });
    expect(await second.state('a@b.de')).toMatchObject({ optedOutOfAll: true });
    await unsubscribe(second);
    expect(await effects(second)).toEqual(['unsubscribedAll', 'unchanged']);
    const text = await readFile(first.file, 'utf8');
    expect(text).not.toContain('"seq":9,"t":"eff"');
    expect((await second.journal()).map(({ seq }) => seq)).toEqual((await second.journal()).map((_, index) => index));
  });
});

describe('faults', () => {
  test('slow: before by default; after the effect when told so', async () => {
    const hubspot = await start();
    await hubspot.setFaults({ kind: 'slow', ms: 80 });
    await unsubscribe(hubspot);
    await hubspot.setFaults({ kind: 'slow', ms: 80, when: 'answer' });
    await unsubscribe(hubspot);
    const at = (await hubspot.journal()).slice(1).map(({ t, ns }) => ({ t, ms: Number(BigInt(ns) / 1_000_000n) }));
    const gap = (from: number, to: number): number => (at[to]?.ms ?? 0) - (at[from]?.ms ?? 0);
    expect(at.map(({ t }) => t)).toEqual([
      'arrived',
      'received',
      'effect',
      'answered',
      'arrived',
      'received',
      'effect',
      'answered',
    ]);
    expect(gap(1, 2)).toBeGreaterThanOrEqual(78);
    expect(gap(6, 7)).toBeGreaterThanOrEqual(78);
  });

  test.each(['reset', 'refuse'] as const)('down (%s) until lifted', async (how) => {
    const hubspot = await start();
    await unsubscribe(hubspot);
    await hubspot.setFaults({ kind: 'down', how });
    await expect(unsubscribe(hubspot)).rejects.toThrow('fetch failed');
    await expect(unsubscribe(hubspot)).rejects.toThrow('fetch failed');
    await hubspot.clearFaults();
    expect((await unsubscribe(hubspot)).status).toBe(200);
    expect(await effects(hubspot)).toEqual(['unsubscribedAll', 'unchanged']);
  });

  test('loseAnswer takes effect and resets; a down aimed at one operation has none', async () => {
    const hubspot = await start();
    await hubspot.setFaults({ kind: 'loseAnswer', match: 'statuses.*', times: 1 });
    await expect(unsubscribe(hubspot)).rejects.toThrow('fetch failed');
    expect(await effects(hubspot)).toEqual(['unsubscribedAll']);
    expect((await hubspot.journal()).at(-1)).toMatchObject({ t: 'answered', status: null, faults: ['loseAnswer'] });
    await hubspot.setFaults({ kind: 'down', match: 'statuses.unsubscribeAll' });
    await expect(unsubscribe(hubspot, 'c@d.de')).rejects.toThrow('fetch failed');
    expect(await effects(hubspot)).toEqual(['unsubscribedAll']);
  });

  test('ignore answers success without effect; what was asked is still on record', async () => {
    const hubspot = await start();
    await hubspot.setFaults({ kind: 'ignore' });
    expect(await unsubscribe(hubspot)).toMatchObject({ status: 200, body: { status: 'COMPLETE' } });
    expect(await effects(hubspot)).toEqual([]);
    expect((await hubspot.journal())[2]).toMatchObject({ t: 'received', asks: [{ identifiers: ['a@b.de'] }] });
  });

  test('html has no effect, malformed has one', async () => {
    const hubspot = await start();
    await hubspot.setFaults({ kind: 'html' });
    const page = await unsubscribe(hubspot);
    expect([page.status, page.headers.get('content-type'), await effects(hubspot)]).toEqual([
      200,
      'text/html; charset=utf-8',
      [],
    ]);
    await hubspot.setFaults({ kind: 'malformed' });
    await expect(unsubscribe(hubspot)).rejects.toThrow(SyntaxError);
    expect(await effects(hubspot)).toEqual(['unsubscribedAll']);
  });

  test('empty and wrongTypes take effect, and say it in a body nobody can read', async () => {
    const hubspot = await start();
    await hubspot.setFaults({ kind: 'empty' });
    const silent = await fetch(`${hubspot.url}${path('a@b.de')}`, { method: 'POST', headers: bearer });
    expect([silent.status, await silent.text(), await effects(hubspot)]).toEqual([200, '', ['unsubscribedAll']]);
    await hubspot.setFaults({ kind: 'wrongTypes' });
    expect(await unsubscribe(hubspot)).toMatchObject({ status: 200, body: { status: 7 } });
  });

  test('drip sends the body in pieces', async () => {
    const hubspot = await start();
    await hubspot.setFaults({ kind: 'drip', ms: 5, bytes: 100 });
    const response = await fetch(`${hubspot.url}${path('a@b.de')}`, { method: 'POST', headers: bearer });
    const pieces: number[] = [];
    for await (const piece of response.body ?? []) pieces.push(piece.length);
    expect(pieces.length).toBeGreaterThan(3);
  });

  test.each([
    [{ kind: 'status', code: 500 }, 500, { status: 'error', category: 'INTERNAL_ERROR' }],
    [{ kind: 'status', code: 418, body: { teapot: true } }, 418, { teapot: true }],
    [{ kind: 'authExpired' }, 401, { category: 'EXPIRED_AUTHENTICATION' }],
    [
      { kind: 'throttle', policyName: 'DAILY' },
      429,
      { policyName: 'DAILY', message: 'You have reached your daily limit.' },
    ],
    [{ kind: 'badRow' }, 400, { category: 'VALIDATION_ERROR' }],
  ] as const)('%j', async (fault, status, body) => {
    const hubspot = await start();
    await hubspot.setFaults(fault);
    expect(await unsubscribe(hubspot)).toMatchObject({ status, body });
    expect(await effects(hubspot)).toEqual([]);
  });

  test('aim and number: match, identifier, times, rate and probability; hits are counted', async () => {
    const hubspot = await start();
    const statusesOf = async (emails: readonly string[]): Promise<readonly number[]> => {
      const found: number[] = [];
      for (const email of emails) found.push((await unsubscribe(hubspot, email)).status);
      return found;
    };
    const refuse = { kind: 'status', code: 500 } as const;
    await hubspot.setFaults({ ...refuse, match: 'contacts.*' }, { ...refuse, identifier: 'c@d.de', times: 1 });
    expect(await statusesOf(['a@b.de', 'c@d.de', 'c@d.de'])).toEqual([200, 500, 200]);
    expect((await hubspot.faults()).map(({ hits }) => hits)).toEqual([0, 1]);
    await hubspot.setFaults({ kind: 'throttle', rate: { requests: 2, perMs: 60_000 } });
    expect(await statusesOf(['a@b.de', 'a@b.de', 'a@b.de'])).toEqual([200, 200, 429]);
    await hubspot.setFaults({ ...refuse, probability: 0.5 });
    const refused = (await statusesOf(Array.from({ length: 40 }, () => 'a@b.de'))).filter(
      (status) => status === 500,
    ).length;
    expect(refused).toBeGreaterThan(8);
    expect(refused).toBeLessThan(32);
  });

  test('an unknown fault is refused by the control API and leaves the old ones', async () => {
    const hubspot = await start();
    await hubspot.setFaults({ kind: 'ignore' });
    await expect(hubspot.setFaults({ kind: 'gremlin' } as unknown as Fault)).rejects.toThrow('unknown kind gremlin');
    expect(await hubspot.faults()).toMatchObject([{ kind: 'ignore' }]);
  });

  test('stop cuts short what waits in a fault', async () => {
    const hubspot = await start();
    await hubspot.setFaults({ kind: 'slow', ms: 600_000 });
    const hanging = expect(unsubscribe(hubspot)).rejects.toThrow('fetch failed');
    await until(async () => (await hubspot.journal()).some(({ t }) => t === 'received'));
    await hubspot.stop();
    await hanging;
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}
