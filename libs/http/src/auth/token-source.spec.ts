import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ManualClock } from '@entente/observability';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { TokenSource, TokenUnavailable } from './token-source.ts';

interface Request {
  readonly authorization: string | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

let server: Server;
let requests: Request[] = [];
let status = 200;
let answer: unknown;
let clock: ManualClock;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      requests.push({ authorization: request.headers.authorization, type: request.headers['content-type'], body });
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(answer ?? { access_token: `t${requests.length}`, token_type: 'Bearer', expires_in: 100 }),
      );
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
});
afterAll(() => void server.close());
beforeEach(() => {
  requests = [];
  status = 200;
  answer = undefined;
  clock = new ManualClock();
});

const source = (more: object = {}) =>
  new TokenSource({
    tokenEndpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    clientId: 'crm connector',
    clientSecret: 'p:ä/',
    scope: 'consent:read',
    clock,
    ...more,
  });

test('Z-2 asks by client credentials, form-encoded, with both parts encoded before they are joined', async () => {
  expect(await source().getToken()).toBe('t1');
  const [request] = requests;
  expect(Buffer.from(request?.authorization?.replace('Basic ', '') ?? '', 'base64').toString()).toBe(
    'crm+connector:p%3A%C3%A4%2F',
  );
  expect(request?.type).toContain('application/x-www-form-urlencoded');
  expect(request?.body).toBe('grant_type=client_credentials&scope=consent%3Aread');
});

test('a held token serves until three quarters of its life, and one request serves all who wait', async () => {
  const tokens = source();
  expect(await Promise.all([tokens.getToken(), tokens.getToken(), tokens.getToken()])).toEqual(['t1', 't1', 't1']);
  clock.advance(74_000);
  expect(await tokens.getToken()).toBe('t1');
  clock.advance(2_000);
  expect(await tokens.getToken()).toBe('t2');
  tokens.discard();
  expect(await tokens.getToken()).toBe('t3');
});

test('while the endpoint is away the held token serves as long as it lives', async () => {
  const tokens = source();
  await tokens.getToken();
  status = 503;
  clock.advance(80_000);
  expect(await tokens.getToken()).toBe('t1');
  clock.advance(19_000);
  await expect(tokens.getToken()).rejects.toThrow(
    new TokenUnavailable('the token endpoint answered 503 without a token'),
  );
});

test.each([
  [
    'a refusal',
    401,
    { error: 'invalid_client', error_description: 'secret p:ä/ is wrong' },
    'answered 401 invalid_client',
  ],
  ['no token in a 200', 200, { token_type: 'Bearer' }, 'answered 200 without a token'],
  ['an empty token', 200, { access_token: '' }, 'answered 200 without a token'],
  ['no object', 200, 'nope', 'answered 200 without a token'],
])('%s is an error that repeats no secret', async (_name, withStatus, withAnswer, message) => {
  status = withStatus;
  answer = withAnswer;
  const error = await source()
    .getToken()
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TokenUnavailable);
  expect(String(error)).toContain(message);
  expect(String(error)).not.toContain('p:ä/');
});

test('an endpoint that cannot be reached is an error; the next call tries again', async () => {
  const tokens = source({ tokenEndpoint: 'http://127.0.0.1:1/token' });
  await expect(tokens.getToken()).rejects.toThrow('cannot be reached');
  await expect(tokens.getToken()).rejects.toThrow('cannot be reached');
});

test('a fixed token asks nobody', async () => {
  expect(await new TokenSource({ token: 'fixed' }).getToken()).toBe('fixed');
  expect(requests).toEqual([]);
});
