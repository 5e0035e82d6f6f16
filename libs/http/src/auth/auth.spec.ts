import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ManualClock, createLogger } from '@entente/observability';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { CryptoKey, JWK } from 'jose';
import { createHttpApp } from '../app/create-http-app.ts';
import { AuthModule, LOCAL_ISSUER } from './auth.module.ts';
import { Caller } from './caller.ts';
import { TokenVerifier } from './token-verifier.ts';
import { Public, Scopes, requireScope } from './scopes.ts';

const issuer = 'https://issuer.example';
const clock = new ManualClock(1_800_000_000_000);
const log = createLogger({ service: 'sample', level: 'silent' });
const nowS = () => Math.floor(clock.now() / 1000);

@Controller('v1')
class GuardedController {
  @Scopes('consent:read', 'admin')
  @Get('read')
  read(@Caller() caller: Caller): Caller {
    return caller;
  }
  @Scopes('consent:withdraw', 'consent:grant')
  @Get('grant')
  grant(@Caller() caller: Caller): { granted: true } {
    requireScope(caller, 'consent:grant');
    return { granted: true };
  }
  @Public()
  @Get('open')
  open(): { open: true } {
    return { open: true };
  }
}

let privateKey: CryptoKey;
let otherKey: CryptoKey;
let es256Key: CryptoKey;
let app: NestFastifyApplication;
let publicKeys: JWK[];
let jwksServer: Server;
let jwksRequests = 0;
let jwksDown = false;

interface TokenChanges {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly key?: CryptoKey;
}

function token({ claims = {}, header = {}, key = privateKey }: TokenChanges = {}): Promise<string> {
  const all: Record<string, unknown> = {
    iss: issuer,
    aud: 'entente',
    sub: 'agent-1',
    client_id: 'crm-agent',
    jti: 'j-1',
    scope: 'consent:read openid',
    controller: 'acme',
    iat: nowS(),
    exp: nowS() + 300,
    ...claims,
  };
  const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return new SignJWT(present).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: 'k1', ...header }).sign(key);
}

async function call(path: string, authorization?: string) {
  const headers = authorization === undefined ? {} : { authorization };
  const response = await app.inject({ method: 'GET', url: `/v1/${path}`, headers });
  return {
    status: response.statusCode,
    challenge: response.headers['www-authenticate'],
    body: response.json<Record<string, unknown>>(),
  };
}

beforeAll(async () => {
  const pair = await generateKeyPair('EdDSA');
  const es256 = await generateKeyPair('ES256');
  privateKey = pair.privateKey;
  es256Key = es256.privateKey;
  otherKey = (await generateKeyPair('EdDSA')).privateKey;
  const keys = (publicKeys = [
    { ...(await exportJWK(pair.publicKey)), kid: 'k1' },
    { ...(await exportJWK(es256.publicKey)), kid: 'k2' },
  ]);
  jwksServer = createServer((_request, response) => {
    jwksRequests += 1;
    response.writeHead(jwksDown ? 503 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ keys }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => jwksServer.once('listening', resolve));
  const remote = `http://127.0.0.1:${(jwksServer.address() as AddressInfo).port}/jwks`;

  @Module({
    imports: [
      AuthModule.forRoot({
        issuers: [
          { issuer, jwks: { keys } },
          { issuer: 'https://remote.example', jwksUrl: remote },
        ],
        audience: 'entente',
        allowLocalIssuer: false,
        clock,
      }),
    ],
    controllers: [GuardedController],
  })
  class GuardedModule {}
  app = await createHttpApp({ module: GuardedModule, log });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
});
afterAll(async () => {
  await app.close();
  jwksServer.close();
});

describe('a good token', () => {
  test('names the caller; scopes we do not know are dropped', async () => {
    expect(await call('read', `Bearer ${await token()}`)).toMatchObject({
      status: 200,
      body: { controller: 'acme', subject: 'agent-1', clientId: 'crm-agent', scopes: ['consent:read'] },
    });
  });

  test.each([
    ['ES256', { header: { alg: 'ES256', kid: 'k2' } }],
    ['the long type', { header: { typ: 'application/at+jwt' } }],
    ['several audiences', { claims: { aud: ['other', 'entente'] } }],
    ['another sufficient scope', { claims: { scope: 'admin' } }],
    ['a clock 4 s ahead', { claims: { iat: nowS() + 4, nbf: nowS() + 4 } }],
  ])('%s is accepted', async (_name, changes: TokenChanges) => {
    const key = changes.header?.['alg'] === 'ES256' ? es256Key : privateKey;
    expect((await call('read', `bearer ${await token({ ...changes, key })}`)).status).toBe(200);
  });

  test('Z-4 keys may come from the issuer’s URL, fetched once', async () => {
    jwksRequests = 0;
    const remote = await token({ claims: { iss: 'https://remote.example' } });
    expect((await call('read', `Bearer ${remote}`)).status).toBe(200);
    expect(
      (await call('read', `Bearer ${await token({ claims: { iss: 'https://remote.example', jti: '2' } })}`)).status,
    ).toBe(200);
    expect(jwksRequests).toBe(1);
  });
});

describe('Z-1 a bad token is 401', () => {
  test('no token: a challenge without error code', async () => {
    const answer = await call('read');
    expect(answer).toMatchObject({ status: 401, challenge: 'Bearer realm="entente"' });
    expect(answer.body['type']).toBe('urn:entente:problem:token-required');
  });

  test.each([
    ['expired', { claims: { exp: nowS() - 10 } }, 'it has expired'],
    ['for another audience', { claims: { aud: 'other' } }, 'its aud is not acceptable'],
    ['of another issuer', { claims: { iss: 'https://evil.example' } }, 'its issuer is not trusted here'],
    ['of the local issuer', { claims: { iss: LOCAL_ISSUER } }, 'its issuer is not trusted here'],
    ['an ID token', { header: { typ: 'JWT' } }, 'its typ is not acceptable'],
    ['not valid yet', { claims: { nbf: nowS() + 60 } }, 'its nbf is not acceptable'],
    ['without controller', { claims: { controller: undefined } }, 'its controller is not acceptable'],
    ['with a bad controller', { claims: { controller: '../acme' } }, 'its controller is not acceptable'],
    ['without client', { claims: { client_id: undefined } }, 'its client_id is not acceptable'],
    ['without id', { claims: { jti: undefined } }, 'its jti is not acceptable'],
    ['with scopes as a list', { claims: { scope: ['admin'] } }, 'its scope is not acceptable'],
    ['signed by an unknown key', { header: { kid: 'k9' } }, 'it is signed by an unknown key'],
  ])('%s', async (_name, changes: TokenChanges, why) => {
    const answer = await call('read', `Bearer ${await token(changes)}`);
    expect(answer).toMatchObject({
      status: 401,
      challenge: 'Bearer realm="entente", error="invalid_token"',
      body: { detail: `The access token is not valid: ${why}.` },
    });
  });

  test('a forged signature, a flipped bit, no algorithm, other schemes and garbage', async () => {
    const good = await token();
    const [head = '', payload = '', signature = ''] = good.split('.');
    const flipped = `${payload.slice(0, 20)}${payload[20] === 'A' ? 'B' : 'A'}${payload.slice(21)}`;
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
    const attempts = [
      `Bearer ${await token({ key: otherKey })}`,
      `Bearer ${head}.${flipped}.${signature}`,
      `Bearer ${none}.${payload}.`,
      `Bearer ${good}x.y`,
      `Basic ${Buffer.from('a:b').toString('base64')}`,
      'Bearer',
      'Bearer a b',
      `Bearer ${'a'.repeat(9_000)}`,
    ];
    for (const authorization of attempts) expect(await call('read', authorization)).toMatchObject({ status: 401 });
  });
});

describe('scopes', () => {
  test('Z-1 Z-3 too little scope is 403 with the scopes that would do', async () => {
    expect(await call('read', `Bearer ${await token({ claims: { scope: 'consent:withdraw' } })}`)).toMatchObject({
      status: 403,
      challenge: 'Bearer realm="entente", error="insufficient_scope", scope="consent:read admin"',
      body: { type: 'urn:entente:problem:insufficient-scope' },
    });
  });

  test('what only the content decides is asked for in the handler', async () => {
    expect((await call('grant', `Bearer ${await token({ claims: { scope: 'consent:withdraw' } })}`)).status).toBe(403);
    expect((await call('grant', `Bearer ${await token({ claims: { scope: 'consent:grant' } })}`)).status).toBe(200);
  });

  test('a public route needs no token and does not look at a bad one', async () => {
    expect((await call('open', 'Bearer nonsense')).status).toBe(200);
  });
});

describe('caching', () => {
  test('a verified token is not verified again, but never outlives its expiry', async () => {
    const short = await token({ claims: { exp: nowS() + 10, jti: 'short' } });
    expect((await call('read', `Bearer ${short}`)).status).toBe(200);
    clock.advance(16_000);
    expect((await call('read', `Bearer ${short}`)).status).toBe(401);
  });

  test('keys that cannot be fetched are 503, not 401', async () => {
    jwksDown = true;
    const { port } = jwksServer.address() as AddressInfo;
    for (const jwksUrl of [`http://127.0.0.1:${port}/jwks`, 'http://127.0.0.1:1/jwks']) {
      const verifier = new TokenVerifier([{ issuer, jwksUrl }], 'entente', clock);
      await expect(verifier.verify(await token())).rejects.toMatchObject({ status: 503, code: 'issuer-unavailable' });
    }
  });

  test('500 requests with one token cost well under a second', async () => {
    const verifier = new TokenVerifier([{ issuer, jwks: { keys: publicKeys } }], 'entente', clock);
    const text = await token();
    const before = performance.now();
    for (let request = 0; request < 500; request += 1) await verifier.verify(text);
    expect(performance.now() - before).toBeLessThan(250);
  }, 10_000);
});

describe('at boot', () => {
  test('a route that nobody decided about stops the app', async () => {
    @Controller('v1')
    class Forgetful {
      @Get('forgotten')
      forgotten(): void {}
    }
    @Module({ controllers: [Forgetful] })
    class ForgetfulModule {}
    await expect(createHttpApp({ module: ForgetfulModule, log })).rejects.toThrow('Forgetful.forgotten');
  });

  test('scopes without AuthModule stop the app', async () => {
    @Module({ controllers: [GuardedController] })
    class Unguarded {}
    await expect(createHttpApp({ module: Unguarded, log })).rejects.toThrow('AuthModule is not imported');
  });

  test.each([
    [
      'the local issuer in production',
      { issuer: LOCAL_ISSUER, jwks: { keys: [] } },
      true,
      true,
      'production refuses it',
    ],
    ['the local issuer unasked', { issuer: LOCAL_ISSUER, jwks: { keys: [] } }, false, false, 'production refuses it'],
    ['keys without TLS in production', { issuer, jwksUrl: 'http://issuer.example' }, false, true, 'over https'],
  ])('%s is refused', (_name, trusted, allowLocalIssuer, production, message) => {
    expect(() => AuthModule.forRoot({ issuers: [trusted], audience: 'entente', allowLocalIssuer, production })).toThrow(
      message,
    );
  });

  test('no issuer, or one twice, is refused', () => {
    const options = { audience: 'entente', allowLocalIssuer: true };
    const twice = { issuer, jwks: { keys: [] } };
    expect(() => AuthModule.forRoot({ ...options, issuers: [] })).toThrow('no token issuer');
    expect(() => AuthModule.forRoot({ ...options, issuers: [twice, twice] })).toThrow('twice');
  });
});
