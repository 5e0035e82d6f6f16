import { systemClock, createLogger } from '@entente/observability';
import { afterEach, describe, expect, test } from '@jest/globals';
import { connect } from 'node:tls';
import { localhostCertificate } from '@entente/test-support';
import { crm, email, subject } from '../testing/consent-fixtures.ts';
import { RawServer, type RawServerSetting } from '../testing/raw-server.ts';
import { DestinationGuard, type Resolve } from './destination.ts';
import { Egress, type EgressOptions } from './egress.ts';
import { sealShareable } from './shareable.ts';

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function server(setting: Partial<RawServerSetting> = {}): Promise<RawServer> {
  const started = await RawServer.start({ answer: ok, ...setting });
  closing.push(() => started.stop());
  return started;
}

/** An egress whose gate allows everything: what does not leave, the guard has stopped. */
function egress(options: Partial<EgressOptions> = {}): Egress {
  const log = createLogger({ service: 'spec', level: 'silent' });
  const decide = () => ({ kind: 'allow', deadline: systemClock.monotonic() + 5000, version: 1 }) as const;
  const made = new Egress({ gate: { decide, onDenied: () => () => {} }, clock: systemClock, log, ...options });
  closing.push(() => made.close());
  return made;
}

const get = (url: string | URL) => ({ method: 'GET', url: new URL(url), headers: {} });
const item = sealShareable({ subjectKey: subject(1), purpose: email, recipient: crm }, 'secret');
const answering =
  (...rounds: readonly (readonly string[])[]): Resolve =>
  (_hostname, done) => {
    const [now = [], ...later] = rounds;
    if (later.length > 0) rounds = later;
    done(
      null,
      now.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };

describe('a URL is judged before any connection is sought', () => {
  const strict = new DestinationGuard();
  test.each([
    ['https://api.partner.example/v1', null],
    ['https://api.partner.example:8443/', null],
    ['https://8.8.8.8/', null],
    ['http://api.partner.example/', 'forbidden-scheme'],
    ['file:///etc/passwd', 'forbidden-scheme'],
    ['gopher://api.partner.example/', 'forbidden-scheme'],
    ['ftp://api.partner.example/', 'forbidden-scheme'],
    ['data:text/plain,x', 'forbidden-scheme'],
    ['https://a@api.partner.example/', 'forbidden-url'],
    ['https://api.partner.example:b@127.0.0.1/', 'forbidden-url'],
    ['https://api.partner.example/#at', 'forbidden-url'],
    ['https://api.partner.example./', 'forbidden-url'],
    ['https://api.partner.example:0/', 'forbidden-port'],
    ['https://api.partner.example:22/', 'forbidden-port'],
    ['https://api.partner.example:80/', 'forbidden-port'],
    ['https://api.partner.example:5432/', 'forbidden-port'],
    ['https://api.partner.example:6379/', 'forbidden-port'],
    ['https://api.partner.example:9092/', 'forbidden-port'],
    ['https://127.0.0.1/', 'forbidden-address'],
    ['https://127.1/', 'forbidden-address'],
    ['https://2130706433/', 'forbidden-address'],
    ['https://0x7f.1/', 'forbidden-address'],
    ['https://0x7f000001/', 'forbidden-address'],
    ['https://0177.0.0.1/', 'forbidden-address'],
    ['https://0/', 'forbidden-address'],
    ['https://[::1]/', 'forbidden-address'],
    ['https://[::]/', 'forbidden-address'],
    ['https://[::ffff:127.0.0.1]/', 'forbidden-address'],
    ['https://[::ffff:7f00:1]/', 'forbidden-address'],
    ['https://[64:ff9b::127.0.0.1]/', 'forbidden-address'],
    ['https://[2002:7f00:1::]/', 'forbidden-address'],
    ['https://[fe80::1]/', 'forbidden-address'],
    ['https://169.254.169.254/latest/meta-data', 'forbidden-address'],
    ['https://10.0.0.8/', 'forbidden-address'],
    ['https://100.64.0.1/', 'forbidden-address'],
    ['https://①②⑦.0.0.1/', 'forbidden-address'],
  ])('%s: %p', (url, refusal) => expect(strict.refusalOf(new URL(url))).toBe(refusal));

  const hosts = ['api.partner.example', 'eu.partner.example:8443', '*.vendor.example'];
  test.each([
    ['https://api.partner.example/', null],
    ['https://API.partner.example:443/', null],
    ['https://eu.partner.example:8443/', null],
    ['https://a.b.vendor.example/', null],
    ['https://api.partner.example:8443/', 'forbidden-host'],
    ['https://eu.partner.example/', 'forbidden-host'],
    ['https://vendor.example/', 'forbidden-host'],
    ['https://notvendor.example/', 'forbidden-host'],
    ['https://a.vendor.example:8443/', 'forbidden-host'],
    ['https://api.partner.example.attacker.example/', 'forbidden-host'],
    // Cyrillic а, which the URL parser shows as punycode.
    ['https://аpi.partner.example/', 'forbidden-host'],
  ])('of a recipient’s hosts: %s: %p', (url, refusal) => expect(strict.refusalOf(new URL(url), hosts)).toBe(refusal));

  test('a refusal opens no connection, for a call and for a share', async () => {
    const to = await server();
    const guarded = egress();
    const door = egress({ network: { development: true } }).within(['api.partner.example']);
    expect(await guarded.call(get(to.url()))).toEqual({ kind: 'forbidden', why: 'forbidden-scheme' });
    expect(await door.call(get(to.url()))).toEqual({ kind: 'forbidden', why: 'forbidden-host' });
    const { sent } = await door.share([item], () => get(to.url()));
    expect(sent).toEqual({ kind: 'forbidden', why: 'forbidden-host' });
    expect(await to.seen()).toEqual([]);
  });
});

describe('the address that is connected to is one that was judged', () => {
  test.each([
    ['loopback', ['127.0.0.1']],
    ['public and loopback', ['8.8.8.8', '::1']],
    ['metadata', ['169.254.169.254']],
    ['IPv4-mapped', ['::ffff:127.0.0.1']],
    ['none', []],
  ])('a name with %s addresses is forbidden', async (_what, addresses) => {
    const to = await server({ tls: localhostCertificate });
    const made = egress({ resolve: answering(addresses), ca: localhostCertificate.cert });
    const url = `https://rebinding.example:${to.url().port}/`;
    expect(await made.call(get(url))).toEqual({ kind: 'forbidden', why: 'forbidden-address' });
    const { sent } = await made.share([item], () => get(url));
    expect(sent).toEqual({ kind: 'forbidden', why: 'forbidden-address' });
    expect(await to.seen()).toEqual([]);
  });

  test('DNS rebinding: one look-up per connection, and each is judged', async () => {
    const to = await server();
    let lookups = 0;
    const flipping = answering(['127.0.0.1'], ['169.254.169.254']);
    const resolve: Resolve = (hostname, done) => {
      lookups += 1;
      flipping(hostname, done);
    };
    const url = `http://rebinding.example:${to.url().port}/`;
    const first = egress({ network: { development: true }, resolve });
    expect(await first.call(get(url))).toMatchObject({ kind: 'answered' });
    expect(lookups).toBe(1);
    const second = egress({ network: { development: true }, resolve });
    expect(await second.call(get(url))).toEqual({ kind: 'forbidden', why: 'forbidden-address' });
    expect((await to.seen()).length).toBe(1);
  });

  test('a name nobody knows may be known later', async () => {
    const unknown: Resolve = (_hostname, done) => done(Object.assign(new Error('?'), { code: 'ENOTFOUND' }), []);
    expect(await egress({ resolve: unknown }).call(get('https://gone.example/'))).toEqual({
      kind: 'not-sent',
      why: 'ENOTFOUND',
    });
  });
});

describe('what comes back', () => {
  const development = { network: { development: true } };

  test('a redirect to this machine is an answer, and not followed', async () => {
    const inside = await server();
    const location = inside.url().href;
    const to = await server({ answer: `HTTP/1.1 302 Found\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n` });
    expect(await egress(development).call(get(to.url()))).toMatchObject({
      kind: 'answered',
      response: { status: 302 },
    });
    expect(await inside.seen()).toEqual([]);
  });

  test('an endless body without a length is cut off at the limit', async () => {
    const to = await server({ answer: `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${'x'.repeat(300_000)}` });
    const made = egress({ ...development, maxResponseBytes: 65_536 });
    expect(await made.call(get(to.url()))).toEqual({ kind: 'unclear', why: 'answer too long' });
  });

  test.each([
    ['head', 'HTTP/1.1 200 OK\r\n'],
    ['body', 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n'],
  ])('a %s that drips is cut off at the time limit, however alive it looks', async (_part, start) => {
    const to = await server({ answer: start + 'x'.repeat(1000), dripMs: 5 });
    const began = performance.now();
    const made = egress({ ...development, attemptTimeoutMs: 400 });
    expect(await made.call(get(to.url()))).toEqual({ kind: 'unclear', why: 'timeout' });
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

describe('TLS is verified', () => {
  const trusting = { network: { development: true }, ca: localhostCertificate.cert };

  test('a certificate nobody we trust has signed', async () => {
    const to = await server({ tls: localhostCertificate });
    const made = egress({ network: { development: true } });
    expect(await made.call(get(to.url()))).toEqual({ kind: 'not-sent', why: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(await egress(trusting).call(get(to.url()))).toMatchObject({ kind: 'answered' });
  });

  test('a trusted certificate of another host', async () => {
    const to = await server({ tls: localhostCertificate });
    const made = egress({ ...trusting, resolve: answering(['127.0.0.1']) });
    expect(await made.call(get(`https://partner.example:${to.url().port}/`))).toEqual({
      kind: 'not-sent',
      why: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    expect((await to.seen()).every(({ bytes }) => bytes === 0)).toBe(true);
  });

  test('a server that speaks TLS 1.1 at most', async () => {
    const ciphers = 'DEFAULT@SECLEVEL=0';
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers } as const;
    const to = await server({ tls: { ...localhostCertificate, ...old } });
    // It does answer whoever asks for it.
    const willing = connect({ port: Number(to.url().port), host: '127.0.0.1', ca: localhostCertificate.cert, ...old });
    closing.push(() => void willing.destroy());
    await new Promise<void>((resolve, reject) => {
      willing.once('secureConnect', resolve);
      willing.once('error', reject);
    });
    expect(willing.getProtocol()).toBe('TLSv1.1');
    expect(await egress(trusting).call(get(to.url()))).toMatchObject({ kind: 'not-sent' });
    expect((await to.seen()).every(({ bytes }) => bytes === 0)).toBe(true);
  });
});
