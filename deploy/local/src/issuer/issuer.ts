import { randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, calculateJwkThumbprint, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { Scope } from '@entente/contracts';
import { LOCAL_ISSUER } from '@entente/http';

/** A machine that may ask for tokens, and the most it may be given. */
export interface IssuerClient {
  readonly clientId: string;
  readonly secret: string;
  readonly controller: string;
  readonly scopes: readonly Scope[];
}

export interface Issuer {
  readonly issuer: string;
  readonly tokenUrl: string;
  readonly jwksUrl: string;
  stop(): Promise<void>;
}

/** Seconds. Services renew theirs well before; a person's browser keeps the one in the address it was given. */
const tokenLifetimeS = 3_600;
const maxFormBytes = 8_192;

class BadRequest extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(code);
  }
}

/**
 * The local stack's own token issuer: OAuth 2.0 client credentials (RFC 6749 §4.4) giving RFC 9068 access tokens signed
 * with a key made at start. For one machine only: a production configuration refuses its tokens by their issuer.
 */
export async function startIssuer(options: {
  clients: readonly IssuerClient[];
  audience: string;
  port?: number;
  host?: string;
}): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), alg: 'EdDSA', use: 'sig' };
  const key = { ...jwk, kid: await calculateJwkThumbprint(jwk) };
  const host = options.host ?? '127.0.0.1';

  const server = createServer((request, response) => {
    answer(request, options, key, privateKey)
      .then((body) => reply(response, 200, body))
      .catch((error: unknown) => {
        if (error instanceof BadRequest) reply(response, error.status, { error: error.code });
        else reply(response, 500, { error: 'server_error' });
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const base = `http://${host}:${(server.address() as AddressInfo).port}`;
  return {
    issuer: LOCAL_ISSUER,
    tokenUrl: `${base}/token`,
    jwksUrl: `${base}/jwks.json`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  options: { clients: readonly IssuerClient[]; audience: string },
  key: JWK & { kid: string },
  privateKey: CryptoKey,
): Promise<object> {
  const path = request.url?.split('?')[0];
  if (request.method === 'GET' && path === '/jwks.json') return { keys: [key] };
  if (request.method !== 'POST' || path !== '/token') throw new BadRequest(404, 'not_found');
  const form = new URLSearchParams(await body(request));
  if (form.get('grant_type') !== 'client_credentials') throw new BadRequest(400, 'unsupported_grant_type');
  const client = authenticate(request, form, options.clients);
  const asked = form.get('scope')?.split(' ').filter(Boolean) ?? [...client.scopes];
  if (!asked.every((scope) => (client.scopes as readonly string[]).includes(scope)))
    throw new BadRequest(400, 'invalid_scope');
  const token = await new SignJWT({ client_id: client.clientId, scope: asked.join(' '), controller: client.controller })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: key.kid })
    .setIssuer(LOCAL_ISSUER)
    .setAudience(options.audience)
    .setSubject(client.clientId)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime(`${tokenLifetimeS}s`)
    .sign(privateKey);
  return { access_token: token, token_type: 'Bearer', expires_in: tokenLifetimeS, scope: asked.join(' ') };
}

function authenticate(request: IncomingMessage, form: URLSearchParams, clients: readonly IssuerClient[]): IssuerClient {
  const header = request.headers.authorization ?? '';
  const basic = header.startsWith('Basic ') ? Buffer.from(header.slice(6), 'base64').toString('utf8') : null;
  const [id, secret] = basic
    ? basic.split(':').map((part) => decodeURIComponent(part))
    : [form.get('client_id') ?? undefined, form.get('client_secret') ?? undefined];
  const client = clients.find(({ clientId }) => clientId === id);
  if (!client || !sameText(client.secret, secret ?? '')) throw new BadRequest(401, 'invalid_client');
  return client;
}

const sameText = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxFormBytes) throw new BadRequest(413, 'invalid_request');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function reply(response: ServerResponse, status: number, content: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(content));
}
