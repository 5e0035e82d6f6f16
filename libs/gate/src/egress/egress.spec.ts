import type { SubjectKey } from '@entente/contracts';
import { createLogger, systemClock } from '@entente/observability';
import { afterEach, describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Decision, Intent } from '../step/decision.ts';
import { crm, email, subject } from '../testing/consent-fixtures.ts';
import { localhostCertificate } from '@entente/test-support';
import { RawServer, type RawServerSetting } from '../testing/raw-server.ts';
import { Egress, type EgressOptions, type SendAudit } from './egress.ts';
import { sealShareable } from './shareable.ts';

const log = createLogger({ service: 'spec', level: 'silent' });
const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\r\nx-a: 2\r\n\r\nhi';
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function server(setting: Partial<RawServerSetting> = {}): Promise<RawServer> {
  const started = await RawServer.start({ answer: ok, ...setting });
  closing.push(() => started.stop());
  return started;
}

type Decide = (intent: Intent, call: number) => Decision;
const allow = (): Decision => ({ kind: 'allow', deadline: systemClock.monotonic() + 1000, version: 3 });
const denied: Decision = { kind: 'deny', reason: 'not-granted' };
const stale: Decision = { kind: 'stale', reason: 'no-lease' };

/** A gate that answers by script, and a way to apply a deny. */
function egress(decide: Decide, options: Partial<EgressOptions> = {}) {
  const listeners = new Set<(key: SubjectKey, version: number) => void>();
  let call = 0;
  const gate = {
    decide: (intent: Intent) => decide(intent, (call += 1)),
    onDenied: (listener: (key: SubjectKey, version: number) => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const made = new Egress({ gate, clock: systemClock, log, network: { development: true }, ...options });
  closing.push(() => made.close());
  return { made, applyDeny: (key: SubjectKey) => listeners.forEach((listener) => listener(key, 9)) };
}

const item = (number: number, payload = `payload-${number}`) =>
  sealShareable({ subjectKey: subject(number), purpose: email, recipient: crm }, payload);
const post = (url: URL) => (allowed: string[]) => ({
  method: 'POST',
  url,
  headers: { 'content-type': 'text/plain' },
  body: allowed.join('|'),
});
/** The server's thread notices a connection a little later than we do. */
async function bytesSeen(to: RawServer): Promise<number[]> {
  for (let tries = 0; tries < 200; tries += 1) {
    const seen = await to.seen();
    if (seen.length > 0) return seen.map(({ bytes }) => bytes);
    await pause(5);
  }
  throw new Error('no connection was seen');
}
/** As soon as `count` connections have ended. */
async function endsSeen(on: RawServer, count: number): Promise<{ bytes: number; ended: string | null }[]> {
  for (let tries = 0; tries < 400; tries += 1) {
    const seen = await on.seen();
    if (seen.filter(({ ended }) => ended !== null).length >= count)
      return seen.map(({ bytes, ended }) => ({ bytes, ended }));
    await pause(5);
  }
  throw new Error('the connections were not ended');
}
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4);

describe('GATE-5 a share', () => {
  test('leaves with what is allowed at the write; the answer comes back raw', async () => {
    const to = await server();
    const audits: SendAudit[] = [];
    const { made } = egress(allow, { onSend: (audit) => audits.push(audit) });
    const { allowed, refused, sent } = await made.share([item(1), item(2)], post(to.url('/v1/x?y=1')));
    expect(allowed).toHaveLength(2);
    expect(refused).toEqual([]);
    expect(sent).toEqual({
      kind: 'answered',
      response: { status: 200, headers: { 'content-length': '2', 'x-a': '1, 2' }, body: Buffer.from('hi') },
    });
    const [{ text } = { text: '' }] = await to.seen();
    expect(text).toMatch(/^POST \/v1\/x\?y=1 HTTP\/1\.1\r\n/);
    expect(bodyOf(text)).toBe('payload-1|payload-2');
    expect(
      audits.map(({ subjectKey, recipient, purpose, version }) => [subjectKey, recipient, purpose, version]),
    ).toEqual([
      [subject(1), crm, email, 3],
      [subject(2), crm, email, 3],
    ]);
    expect(audits.every(({ at, deadline }) => at.monotonic < deadline)).toBe(true);
  });

  test('without any permission opens no connection', async () => {
    const to = await server();
    const { made } = egress(() => stale);
    expect(await made.share([item(1)], post(to.url()))).toMatchObject({
      allowed: [],
      refused: [{ decision: stale }],
      sent: null,
    });
    expect(await to.seen()).toEqual([]);
  });

  test('refused between connection and write sends not one byte', async () => {
    const to = await server();
    const { made } = egress((_intent, call) => (call === 1 ? allow() : denied));
    const outcome = await made.share([item(1)], post(to.url()));
    expect(outcome).toMatchObject({ allowed: [], refused: [{ decision: denied }], sent: null });
    expect(await bytesSeen(to)).toEqual([0]);
  });

  test('is built anew when one of its items is refused at the write', async () => {
    const to = await server();
    const { made } = egress(({ subjectKey }, call) => (call > 2 && subjectKey === subject(1) ? denied : allow()));
    const { allowed, refused, sent } = await made.share([item(1), item(2)], post(to.url()));
    expect(sent?.kind).toBe('answered');
    expect([allowed.length, refused.length]).toEqual([1, 1]);
    const [{ text } = { text: '' }] = await to.seen();
    expect(bodyOf(text)).toBe('payload-2');
    expect(text).not.toContain('payload-1');
  });

  test('is decided in the tick in which its bytes leave: a thread that blocks right after delays nothing', async () => {
    const to = await server();
    let decidedAt = 0;
    const blockMs = 300;
    const { made } = egress((_intent, call) => {
      if (call === 2) {
        decidedAt = performance.timeOrigin + performance.now();
        process.nextTick(() => {
          const until = performance.now() + blockMs;
          while (performance.now() < until);
        });
      }
      return allow();
    });
    await made.share([item(1)], post(to.url()));
    const [{ firstByteAt } = { firstByteAt: null }] = await to.seen();
    expect((firstByteAt ?? 0) - decidedAt).toBeLessThan(blockMs / 2);
    expect((firstByteAt ?? 0) - decidedAt).toBeGreaterThan(-5);
  });

  test('past its deadline is destroyed before its first byte', async () => {
    const to = await server();
    const { made } = egress((_intent, call) =>
      call === 1 ? allow() : { kind: 'allow', deadline: systemClock.monotonic(), version: 3 },
    );
    const { sent } = await made.share([item(1)], post(to.url()));
    expect(sent).toEqual({ kind: 'not-sent', why: 'deadline passed' });
    expect(await bytesSeen(to)).toEqual([0]);
  });

  test('whose lease runs out while it waits for the handshake is never written', async () => {
    const to = await server({ tls: localhostCertificate, handshakeDelayMs: 400 });
    const leaseEnd = systemClock.monotonic() + 150;
    const { made } = egress(
      () => (systemClock.monotonic() < leaseEnd ? { kind: 'allow', deadline: leaseEnd, version: 3 } : stale),
      { ca: localhostCertificate.cert },
    );
    expect(await made.share([item(1)], post(to.url()))).toMatchObject({ refused: [{ decision: stale }], sent: null });
    expect((await to.seen()).every(({ bytes }) => bytes === 0)).toBe(true);
  });

  test('waiting for its connection is refused as soon as the deny is applied', async () => {
    const to = await server({ tls: localhostCertificate, handshakeDelayMs: 2000 });
    let open = true;
    const { made, applyDeny } = egress(() => (open ? allow() : denied), { ca: localhostCertificate.cert });
    const sharing = made.share([item(1)], post(to.url()));
    const began = performance.now();
    open = false;
    applyDeny(subject(1));
    expect(await sharing).toMatchObject({ allowed: [], refused: [{ decision: denied }], sent: null });
    expect(performance.now() - began).toBeLessThan(1000);
  });

  test('over TLS goes through when the certificate is trusted, and never when it is not', async () => {
    const to = await server({ tls: localhostCertificate });
    const trusting = egress(allow, { ca: localhostCertificate.cert });
    expect((await trusting.made.share([item(1)], post(to.url()))).sent?.kind).toBe('answered');
    expect((await trusting.made.share([item(2)], post(to.url()))).sent?.kind).toBe('answered');
    expect((await to.seen()).length).toBe(1);
    const { made } = egress(allow);
    expect((await made.share([item(3, 'secret')], post(to.url()))).sent).toMatchObject({ kind: 'not-sent' });
    expect((await to.seen()).some(({ text }) => text.includes('secret'))).toBe(false);
  });

  test('to another address when its items change is started again', async () => {
    const to = await server();
    const { made } = egress(({ subjectKey }, call) => (call > 2 && subjectKey === subject(1) ? denied : allow()));
    const { sent } = await made.share([item(1), item(2)], (allowed) =>
      post(to.url(`/v1/${allowed.join('+')}`))(allowed),
    );
    expect(sent?.kind).toBe('answered');
    const written = (await to.seen()).filter(({ bytes }) => bytes > 0);
    expect(written.map(({ text }) => text.split(' ')[1])).toEqual(['/v1/payload-2']);
  });

  test('whose request cannot be built or carries an impossible header fails its caller alone, unwritten', async () => {
    const to = await server();
    let calls = 0;
    const { made } = egress(({ subjectKey }, call) => (call > 2 && subjectKey === subject(1) ? denied : allow()));
    const failing = made.share([item(1), item(2)], (allowed) => {
      calls += 1;
      if (calls === 2) throw new Error('cannot build');
      return post(to.url())(allowed);
    });
    await expect(failing).rejects.toThrow('cannot build');
    const header = made.share([item(3)], (allowed) => ({ ...post(to.url())(allowed), headers: { 'x-a': 'b\nc' } }));
    await expect(header).rejects.toThrow(/Invalid character/);
    expect((await to.seen()).every(({ bytes }) => bytes === 0)).toBe(true);
  });

  test('cannot be read by whoever carries it', () => {
    expect(inspect(item(1, 'secret'), { showHidden: true, depth: 9 })).not.toContain('secret');
    expect(JSON.stringify(item(1, 'secret'))).not.toContain('secret');
  });
});

describe('an attempt', () => {
  const answers: [string, Partial<RawServerSetting>, object][] = [
    ['no answer in time', { answer: null }, { kind: 'unclear', why: 'timeout' }],
    ['reset after the request', { answer: 'reset' }, { kind: 'unclear' }],
    ['a malformed answer', { answer: 'hello\r\n\r\n' }, { kind: 'unclear' }],
    ['a body cut short', { answer: 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi' }, { kind: 'unclear' }],
    [
      'a body too long',
      { answer: `HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n${'x'.repeat(2000)}` },
      { kind: 'unclear', why: 'answer too long' },
    ],
    [
      'a redirect',
      { answer: 'HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n' },
      { kind: 'answered', response: { status: 307 } },
    ],
    [
      'a refusal',
      { answer: 'HTTP/1.1 404 N\r\ncontent-length: 0\r\n\r\n' },
      { kind: 'answered', response: { status: 404 } },
    ],
  ];
  test.each(answers)('ACK-TRUTH: %s', async (_what, setting, expected) => {
    const to = await server(setting);
    const { made } = egress(allow, { attemptTimeoutMs: 400, maxResponseBytes: 1000 });
    expect(await made.call(post(to.url())(['x']))).toMatchObject(expected);
    expect((await made.share([item(1)], post(to.url()))).sent).toMatchObject(expected);
  });

  test('DLV-3 given up while its bytes lie in the kernel does not arrive: the connection is reset', async () => {
    const to = await server({ readAfterMs: 500 });
    const { made } = egress(allow, { attemptTimeoutMs: 150 });
    // More than the other side's kernel takes unread, and less than ours does: a close would send all of it.
    const body = 'x'.repeat(400 * 1024);
    expect((await made.share([item(1, body)], post(to.url()))).sent).toEqual({ kind: 'unclear', why: 'timeout' });
    expect(await made.call(post(to.url())([body]))).toEqual({ kind: 'unclear', why: 'timeout' });
    for (const { bytes, ended } of await endsSeen(to, 2)) {
      expect(ended).toBe('reset');
      expect(bytes).toBeLessThan(body.length);
    }
  });

  test('DLV-3 given up over TLS is reset below it', async () => {
    const to = await server({ answer: null, tls: localhostCertificate });
    const { made } = egress(allow, { attemptTimeoutMs: 300, ca: localhostCertificate.cert });
    for (const body of ['x', 'y'])
      expect(await made.call(post(to.url())([body]))).toEqual({ kind: 'unclear', why: 'timeout' });
    expect((await endsSeen(to, 2)).map(({ ended }) => ended)).toEqual(['reset', 'reset']);
  });

  test('an answer that is too long leaves no connection that the next request would be lost on', async () => {
    const long = `HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n${'x'.repeat(2000)}`;
    const to = await server({ answer: long, tls: localhostCertificate });
    const { made } = egress(allow, { maxResponseBytes: 1000, ca: localhostCertificate.cert });
    for (const body of ['x', 'y'])
      expect(await made.call(post(to.url())([body]))).toEqual({ kind: 'unclear', why: 'answer too long' });
    expect((await to.seen()).filter(({ bytes }) => bytes > 0)).toHaveLength(2);
  });

  test('DLV-3 under way when the egress closes is reset as well', async () => {
    const to = await server({ readAfterMs: 500 });
    const { made } = egress(allow);
    const body = 'x'.repeat(400 * 1024);
    const calling = made.call(post(to.url())([body]));
    await pause(100);
    made.close();
    expect(await calling).toEqual({ kind: 'unclear', why: 'closed' });
    const [seen] = await endsSeen(to, 1);
    expect(seen?.ended).toBe('reset');
    expect(seen?.bytes).toBeLessThan(body.length);
  });

  test('to a name of several addresses goes to the one that answers, over TLS as well', async () => {
    const to = await server({ tls: localhostCertificate });
    const resolve: EgressOptions['resolve'] = (_name, done) =>
      done(null, [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
      ]);
    const { made } = egress(allow, { ca: localhostCertificate.cert, resolve });
    const url = to.url();
    url.hostname = 'localhost';
    expect(await made.call(post(url)(['x']))).toMatchObject({ kind: 'answered' });
    expect(await made.call(post(url)(['y']))).toMatchObject({ kind: 'answered' });
    expect(await to.seen()).toHaveLength(1);
  });

  test('at a closed port is not sent', async () => {
    const to = await server();
    const url = to.url();
    await to.stop();
    const { made } = egress(allow);
    expect(await made.call(post(url)(['x']))).toEqual({ kind: 'not-sent', why: 'ECONNREFUSED' });
  });

  test('aborted before the write is not sent, after it unclear', async () => {
    const to = await server({ answer: null });
    const { made } = egress(allow);
    const before = AbortSignal.abort();
    expect(await made.call(post(to.url())(['x']), { signal: before })).toEqual({ kind: 'not-sent', why: 'aborted' });
    const during = new AbortController();
    const sharing = made.share([item(1)], post(to.url()), { signal: during.signal });
    while (!(await to.seen()).some(({ bytes }) => bytes > 0));
    during.abort();
    expect((await sharing).sent).toEqual({ kind: 'unclear', why: 'aborted' });
  });
});
