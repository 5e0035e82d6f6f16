import type { Sent, HttpRequest } from '@entente/gate';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { decodeJwt, decodeProtectedHeader, exportJWK, jwtVerify, SignJWT } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import { answered, contextOf, hash, revocationOf, shareOf } from '../../testing/partner-context.ts';
import { iabDataDeletion } from './definition.ts';
import { readResource } from './discovery.ts';
import { acknowledged, deletionsOf } from './plan.ts';
import { IabDataDeletionSettings } from './settings.ts';
import { acknowledgementIn, requestToken, verified } from './tokens.ts';

const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']): string =>
  key.export({ type: 'pkcs8', format: 'pem' }).toString();
const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const given = { domain: 'vendor.example', issuer: 'shop.example', privateKey: pem(ours.privateKey), keyId: 'k1' };
const settingsOf = (more: object = {}): IabDataDeletionSettings =>
  plainToInstance(IabDataDeletionSettings, { ...given, ...more });

describe('settings', () => {
  const faults = (more: object): string[] =>
    validateSync(settingsOf(more), { whitelist: true, forbidNonWhitelisted: true }).flatMap(({ constraints }) =>
      Object.values(constraints ?? {}),
    );
  const ed25519 = pem(generateKeyPairSync('ed25519').privateKey);
  test.each([[{}], [{ privateKey: pem(rsa.privateKey) }]])('complete: %#', (more) => expect(faults(more)).toEqual([]));
  test.each([
    [{ domain: 'https://vendor.example' }, /^domain must be the vendor’s domain/],
    [{ issuer: undefined }, /^issuer must be the controller’s own domain/],
    [{ privateKey: 'secret' }, /^privateKey must be a private key in PEM, RSA or EC on P-256/],
    [{ privateKey: ed25519 }, /^privateKey must be a private key in PEM, RSA or EC/],
    [{ keyId: '' }, /^keyId should not be empty/],
    [{ body: 'form' }, /^body must be one of the following values: json, jwt/],
    [{ discoveryMinutes: 0 }, /^discoveryMinutes must not be less than 1/],
    [{ endpointHosts: ['http://x'] }, /^endpointHosts must be host names/],
    [{ endpoint: 'https://vendor.example/delete' }, /^property endpoint should not exist/],
  ] as const)('%#: $1', (more, expected) => {
    const found = faults(more);
    expect(found.some((fault) => expected.test(fault))).toBe(true);
    expect(found.join()).not.toContain('secret');
  });
});

describe('D-2 D-3 discovery: dsrdelete.json', () => {
  const from = new URL('https://vendor.example/dsrdelete.json');
  const published = {
    endpoint: 'https://dsr.vendor.example/api/delete/',
    identifiers: [{ id: 1, type: 'Email', format: 'SHA256' }],
    publicKey: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }],
    vendorScriptRequirement: false,
  };
  const read = (status: number, json: unknown, more: object = {}): string => {
    const found = readResource({ status, json, headers: {} }, settingsOf(more), from);
    return 'resource' in found ? found.resource.endpoint.href : `${found.failure.kind}: ${found.failure.why}`;
  };
  test.each([
    ['complete', 200, published, published.endpoint],
    ['a key set', 200, { ...published, publicKey: { keys: published.publicKey } }, published.endpoint],
    ['no such file', 404, undefined, 'refused: discovery-missing'],
    ['moved', 301, undefined, 'refused: discovery-moved'],
    ['down', 503, undefined, 'retry: discovery-unavailable'],
    ['not JSON', 200, undefined, 'retry: discovery-malformed'],
    ['no keys', 200, { ...published, publicKey: [] }, 'retry: discovery-malformed'],
    [
      'a shared secret for a key',
      200,
      { ...published, publicKey: [{ kty: 'oct', k: 'x' }] },
      'retry: discovery-malformed',
    ],
    ['no TLS', 200, { ...published, endpoint: 'http://vendor.example/' }, 'refused: endpoint-not-https'],
    ['somewhere else', 200, { ...published, endpoint: 'https://10.0.0.7/' }, 'refused: endpoint-elsewhere'],
    ['a look-alike', 200, { ...published, endpoint: 'https://evilvendor.example/' }, 'refused: endpoint-elsewhere'],
    ['by script only', 200, { ...published, vendorScriptRequirement: true }, 'refused: vendor-script-required'],
    [
      'other identifiers',
      200,
      { ...published, identifiers: [{ type: 'idfa', format: 'hash' }] },
      'refused: identifier-not-supported',
    ],
  ])('%s', (_, status, json, expected) => expect(read(status, json)).toBe(expected));

  test('another host where the settings name it', () => {
    const elsewhere = { ...published, endpoint: 'https://dsr.cloud.example/v' };
    expect(read(200, elsewhere, { endpointHosts: ['dsr.cloud.example'] })).toBe(elsewhere.endpoint);
  });
});

describe('tokens', () => {
  const deletion = { identifier: hash('a'), subjectKey: 'k1.x', version: 7 };

  test.each([
    ['EC on P-256', ours, 'ES256'],
    ['RSA', rsa, 'RS256'],
  ] as const)('a request carries the identity, both signed by the controller: %s', async (_, pair, alg) => {
    const settings = settingsOf({ privateKey: pem(pair.privateKey) });
    const rqJWT = await requestToken(settings, deletion, 1_000_500);
    expect(decodeProtectedHeader(rqJWT)).toEqual({ typ: 'JWT', alg, kid: 'k1' });
    const { payload } = await jwtVerify(rqJWT, pair.publicKey, { issuer: 'shop.example' });
    const sub = { identifierValue: hash('a'), identifierType: 'email', identifierFormat: 'sha256' };
    expect(payload).toMatchObject({ version: '1.0', sub, iat: 1_000 });
    const { payload: identity } = await jwtVerify(String(payload['idJWT']), pair.publicKey);
    expect(identity).toMatchObject({ version: '1.0', iss: 'shop.example', sub, iat: 1_000 });
  });

  test('ids stay the same over repetitions, differ by change, vendor and person, and name nobody', async () => {
    const idOf = async (more: object, of = deletion) => decodeJwt(await requestToken(settingsOf(more), of, 5)).jti;
    const id = await idOf({});
    expect(await idOf({})).toBe(id);
    expect(
      new Set([id, await idOf({ domain: 'other.example' }), await idOf({}, { ...deletion, version: 8 })]).size,
    ).toBe(3);
    expect(id).not.toContain(hash('a').slice(0, 8));
  });

  test.each([
    ['plain', (jwt: string) => `${jwt}\n`],
    ['as a JSON text', (jwt: string) => JSON.stringify(jwt)],
    ['as a member', (jwt: string) => JSON.stringify({ acJWT: jwt })],
  ])('an acknowledgement is found %s', (_, body) => expect(acknowledgementIn(body('a.b.c'))).toBe('a.b.c'));
  test.each([[''], ['<html>'], ['{"acJWT":7}'], ['{"status":"accepted"}'], ['a.b']])('none in %s', (body) =>
    expect(acknowledgementIn(body)).toBeNull(),
  );

  test('ACK-TRUTH: only a published key, the vendor’s name and this very request make an acknowledgement', async () => {
    const keys = [await exportJWK(rsa.publicKey), await exportJWK(theirs.publicKey)];
    const signed = (claims: object, key = theirs.privateKey) =>
      new SignJWT({ iss: 'vendor.example', rqJWT: 'rq', jti: 'j', raResultCode: 0, ...claims })
        .setProtectedHeader({ alg: 'ES256' })
        .sign(key);
    const judge = async (acJWT: string) => verified(acJWT, { keys, vendor: 'vendor.example', rqJWT: 'rq' });
    expect(await judge(await signed({}))).toEqual({ jti: 'j', code: 0 });
    expect(await judge(await signed({}, ours.privateKey))).toBeNull();
    expect(await judge(await signed({ rqJWT: 'another' }))).toBeNull();
    expect(await judge(await signed({ iss: 'elsewhere.example' }))).toBeNull();
    expect(await judge(await signed({ raResultCode: '0' }))).toBeNull();
    const refusal = await signed({ raResultCode: 4 });
    const [head, , signature] = refusal.split('.');
    const altered = Buffer.from(JSON.stringify({ ...decodeJwt(refusal), raResultCode: 0 })).toString('base64url');
    expect(await judge([head, altered, signature].join('.'))).toBeNull();
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    expect(await judge(`${unsigned}.${altered}.x`)).toBeNull();
  });
});

describe('acknowledgements', () => {
  test.each([
    [0, 202, 'applied'],
    [0, 400, 'unclear: contradictory-answer'],
    [1, 400, 'refused: malformed-request'],
    [2, 400, 'refused: signature-rejected'],
    [3, 400, 'refused: token-rejected'],
    [4, 202, 'refused: identifier-not-supported'],
    [5, 400, 'refused: invalid-identifier'],
    [6, 400, 'refused: timestamp-rejected'],
    [9, 400, 'refused: rejected'],
    [4, 500, 'unclear: contradictory-answer'],
  ])('code %i with status %i -> %s', (code, status, expected) => {
    const outcome = acknowledged({ jti: 'j', code }, status);
    expect('why' in outcome ? `${outcome.kind}: ${outcome.why}` : outcome.kind).toBe(expected);
  });
});

describe('revoking', () => {
  const resource = {
    endpoint: 'https://vendor.example/delete',
    identifiers: [{ type: 'email', format: 'sha256' }],
    publicKey: [theirs.publicKey.export({ format: 'jwk' })],
    vendorScriptRequirement: false,
  };
  /** A vendor that acknowledges as `answer` says; what was asked of it, by identifier. */
  function vendor(answer: (identifier: string) => Sent | null) {
    const asked: string[] = [];
    let discoveries = 0;
    const call = async (request: HttpRequest): Promise<Sent> => {
      if (request.method === 'GET') {
        discoveries += 1;
        return answered(200, resource);
      }
      const { rqJWT } = JSON.parse(String(request.body)) as { rqJWT: string };
      const { identifierValue } = decodeJwt(rqJWT).sub as unknown as { identifierValue: string };
      asked.push(identifierValue[0] ?? '');
      const acJWT = new SignJWT({
        iss: 'vendor.example',
        rqJWT,
        jti: `ac-${identifierValue[0] ?? ''}`,
        raResultCode: 0,
      })
        .setProtectedHeader({ alg: 'ES256' })
        .sign(theirs.privateKey);
      return answer(identifierValue) ?? answered(202, { acJWT: await acJWT });
    };
    return { context: contextOf(settingsOf(), call), asked, discoveries: () => discoveries };
  }
  const person = (...letters: string[]) => revocationOf(letters.map((letter) => ({ 'iab-email': hash(letter) })));

  test('D-1 one request per identifier, each once; a person is accepted when all of theirs are', async () => {
    expect(deletionsOf([{ 'iab-email': 'h' }, { 'iab-email': 'h' }, { 'x-email': 'x' }])).toEqual(['h']);
    const { context, asked, discoveries } = vendor((identifier) =>
      identifier === hash('c') ? { kind: 'unclear', why: 'timeout' } : null,
    );
    const batch = [person('a', 'b'), person('c', 'd'), revocationOf([{ 'x-email': hash('x') }])];
    const outcomes = await iabDataDeletion.revoke(batch, context);
    expect(outcomes).toEqual([
      { kind: 'applied', reference: 'ac-a ac-b' },
      { kind: 'unclear', why: 'no-answer' },
      { kind: 'refused', why: 'missing-identifier' },
    ]);
    expect([asked.join(''), discoveries()]).toEqual(['abcd', 1]);
    expect(await iabDataDeletion.erase?.([person('e')], context)).toEqual([{ kind: 'applied', reference: 'ac-e' }]);
    expect(discoveries()).toBe(1);
  });

  test('a vendor that asks for silence gets it at once', async () => {
    const { context, asked } = vendor((identifier) =>
      identifier === hash('b') ? answered(429, {}, { 'retry-after': '7' }) : null,
    );
    const outcomes = await iabDataDeletion.revoke([person('a'), person('b'), person('c')], context);
    const throttled = { kind: 'retry', why: 'throttled', afterMs: 7_000 };
    expect(outcomes).toEqual([{ kind: 'applied', reference: 'ac-a' }, throttled, throttled]);
    expect(asked.join('')).toBe('ab');
  });

  test('no vendor’s file, no request: nothing of a person has left', async () => {
    const context = contextOf(settingsOf(), (request) => {
      expect(request.method).toBe('GET');
      expect(request.url.href).toBe('https://vendor.example/dsrdelete.json');
      return { kind: 'unclear', why: 'timeout' };
    });
    expect(await iabDataDeletion.revoke([person('a')], context)).toEqual([
      { kind: 'retry', why: 'discovery-unavailable' },
    ]);
  });

  test('there is nothing to share this way', async () => {
    const context = contextOf(settingsOf(), () => answered(200, {}));
    expect(await iabDataDeletion.share([shareOf({ 'iab-email': hash('a') })], context)).toEqual([
      { kind: 'refused', why: 'no-share-call' },
    ]);
  });
});
