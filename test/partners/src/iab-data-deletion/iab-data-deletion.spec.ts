import { afterEach, describe, expect, test } from '@jest/globals';
import { createHash, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';
import { isSignedBy, tokenOf } from './jwt.ts';

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const requesterPublicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
const ann = createHash('sha256').update('ann@b.de').digest('hex');
const nowSeconds = (): number => Math.floor(Date.now() / 1_000);
const start = (options = {}): Promise<Served> => serving('iab-data-deletion', { requesterPublicKey, ...options });

afterEach(stopServing);

function signed(claims: object, key = keys.privateKey): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ typ: 'JWT', alg: 'RS256', kid: 'k' })}.${part(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}

const sub = { identifierValue: ann, identifierType: 'email', identifierFormat: 'sha256' };
const claims = (more: object = {}) => ({
  version: '1.0',
  jti: 'j',
  iss: 'shop.example',
  sub,
  iat: nowSeconds(),
  ...more,
});
const request = (more: object = {}): string => signed(claims({ idJWT: signed(claims()), ...more }));
const send = (vendor: Served, rqJWT: string): Promise<Reply> => vendor.call('POST', '/api/delete/', { rqJWT });

/** The acknowledgement, its signature verified under what the vendor publishes. */
async function acknowledgement(vendor: Served, reply: Reply) {
  const published = (await vendor.call('GET', '/dsrdelete.json')).body['publicKey']?.['0'];
  const token = tokenOf(String(reply.body['acJWT']));
  if (token === undefined) throw new Error('no acknowledgement');
  const key = createPublicKey({ key: published as unknown as JsonWebKey, format: 'jwk' });
  return { ...token.claims, signed: isSignedBy(token, key) };
}

describe('a vendor of the Data Deletion Request Framework', () => {
  test('publishes its endpoint, identifiers and key', async () => {
    const vendor = await start();
    expect((await vendor.call('GET', '/dsrdelete.json')).body).toMatchObject({
      endpoint: `${vendor.url}/api/delete/`,
      identifiers: [{ id: 1, type: 'email', format: 'sha256' }],
      publicKey: [{ kty: 'EC', crv: 'P-256' }],
      vendorScriptRequirement: false,
    });
  });

  test('acknowledges with its signature over the very request, and deletes later, by the clock', async () => {
    const vendor = await start();
    const rqJWT = request();
    const reply = await send(vendor, rqJWT);
    expect(reply.status).toBe(202);
    expect(await acknowledgement(vendor, reply)).toMatchObject({
      ...{ version: '1.0', iss: 'vendor.example', raResultCode: 0, signed: true },
      rqJWT,
    });
    expect(await vendor.state(ann)).toEqual({ identifier: ann, requested: true, deleted: false });
    expect((await send(vendor, rqJWT)).status).toBe(202);
    await vendor.advanceClock(86_400_000);
    expect(await vendor.state(ann)).toMatchObject({ deleted: true });
    expect((await vendor.effects()).filter(({ what }) => what === 'deleted')).toHaveLength(1);
  });

  test('takes the bare token where it wants it so', async () => {
    const vendor = await start({ bodyForm: 'jwt' });
    const type = { 'content-type': 'application/jwt' };
    expect((await vendor.call('POST', '/api/delete/', request(), type)).status).toBe(202);
    expect((await send(vendor, request())).status).toBe(400);
  });

  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  test.each([
    ['a missing claim', () => request({ jti: undefined }), 1],
    ['no identity', () => request({ idJWT: undefined }), 1],
    ['a foreign signature', () => signed(claims({ idJWT: signed(claims()) }), other), 2],
    ['a foreign identity', () => request({ idJWT: signed(claims(), other) }), 2],
    ['another requester', () => request({ iss: 'elsewhere.example' }), 2],
    ['no token', () => 'hello', 3],
    ['a phone', () => request({ sub: { ...sub, identifierType: 'phone' } }), 4],
    ['a plain e-mail', () => request({ sub: { ...sub, identifierValue: 'ann@b.de' } }), 5],
    ['an old request', () => request({ iat: nowSeconds() - 1_000 }), 6],
  ])('refuses %s', async (_, rqJWT, code) => {
    const vendor = await start();
    const reply = await send(vendor, rqJWT());
    expect(reply.status).toBe(400);
    expect(await acknowledgement(vendor, reply)).toMatchObject({ raResultCode: code, signed: true });
    expect(await vendor.effects()).toEqual([]);
  });

  test('its lies: 202 with nothing, or with what its published key never signed for this request', async () => {
    const vendor = await start();
    const lied = async (how?: string): Promise<Reply> => {
      await vendor.setFaults({ kind: 'lie', ...(how === undefined ? {} : { how }), match: 'deletion.request' });
      const reply = await send(vendor, request());
      expect(reply.status).toBe(202);
      return reply;
    };
    expect((await lied()).body).toEqual({ status: 'accepted' });
    expect(await acknowledgement(vendor, await lied('forged'))).toMatchObject({ raResultCode: 0, signed: false });
    expect(await acknowledgement(vendor, await lied('other-request'))).toMatchObject({ rqJWT: 'e30.e30.c2ln' });
    expect(await acknowledgement(vendor, await lied('other-issuer'))).toMatchObject({ iss: 'elsewhere.example' });
    expect(await acknowledgement(vendor, await lied('refused'))).toMatchObject({ raResultCode: 4, signed: true });
    expect(await vendor.effects()).toEqual([]);
    expect(await acknowledgement(vendor, await lied('rotated'))).toMatchObject({ raResultCode: 0, signed: true });
    expect(await vendor.state(ann)).toMatchObject({ requested: true });
  });
});
