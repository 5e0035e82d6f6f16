import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Scope } from '@entente/contracts';
import { LOCAL_ISSUER } from '@entente/http';
import { CodeFlow, type WebClient } from './code-flow.ts';
import type { IssuerPerson } from './issuer-person.ts';
import { BadRequest, formOf } from './requests.ts';
import { TokenSigner } from './token-signer.ts';

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
  readonly discoveryUrl: string;
  stop(): Promise<void>;
}

export interface IssuerOptions {
  readonly clients: readonly IssuerClient[];
  readonly audience: string;
  readonly port?: number;
  readonly host?: string;
  /** People who may sign in on the page at /authorize, and the web application they sign in to. */
  readonly people?: readonly IssuerPerson[];
  readonly webClient?: WebClient;
  /** This issuer as browsers reach it, where that is not where services do. */
  readonly publicUrl?: string;
}

/**
 * The local stack's own token issuer: OAuth 2.0 client credentials (RFC 6749 §4.4) giving RFC 9068 access tokens, and for
 * people OpenID Connect's authorization code with PKCE; signed with a key made at start. For one machine only: a
 * production configuration refuses its tokens by their issuer.
 */
export async function startIssuer(options: IssuerOptions): Promise<Issuer> {
  const signer = await TokenSigner.create(options.audience);
  const codes = new CodeFlow(options.people ?? [], options.webClient, signer);
  const host = options.host ?? '127.0.0.1';
  const server = createServer((request, response) => {
    answer(request, response, { options, signer, codes, base: () => base }).catch((error: unknown) => {
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
    discoveryUrl: `${base}/.well-known/openid-configuration`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Parts {
  readonly options: IssuerOptions;
  readonly signer: TokenSigner;
  readonly codes: CodeFlow;
  readonly base: () => string;
}

async function answer(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  const { options, signer, codes } = parts;
  const url = new URL(request.url ?? '/', 'http://issuer');
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /jwks.json':
      return reply(response, 200, { keys: [signer.key] });
    case 'GET /.well-known/openid-configuration':
      return reply(response, 200, discovery(request, options, parts.base()));
    case 'GET /authorize':
      return codes.show(url.searchParams, response);
    case 'POST /authorize':
      return codes.decide(await formOf(request), response);
    case 'POST /token':
      return reply(response, 200, await token(request, parts));
    default:
      throw new BadRequest(404, 'not_found');
  }
}

/** Services ask under the name they know this issuer by, and are given addresses under that name. */
function discovery(request: IncomingMessage, { publicUrl }: IssuerOptions, base: string): object {
  const { host } = request.headers;
  const here = host === undefined ? base : `http://${host}`;
  return {
    issuer: LOCAL_ISSUER,
    authorization_endpoint: `${publicUrl ?? here}/authorize`,
    token_endpoint: `${here}/token`,
    jwks_uri: `${here}/jwks.json`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['EdDSA'],
    code_challenge_methods_supported: ['S256'],
  };
}

async function token(request: IncomingMessage, { options, signer, codes }: Parts): Promise<object> {
  const form = await formOf(request);
  const credentials = credentialsOf(request, form);
  if (form.get('grant_type') === 'authorization_code') return codes.exchange(form, credentials);
  if (form.get('grant_type') !== 'client_credentials') throw new BadRequest(400, 'unsupported_grant_type');
  const client = options.clients.find(({ clientId }) => clientId === credentials.id);
  if (!client || !sameText(client.secret, credentials.secret)) throw new BadRequest(401, 'invalid_client');
  const asked = form.get('scope')?.split(' ').filter(Boolean) ?? [...client.scopes];
  if (!asked.every((scope) => (client.scopes as readonly string[]).includes(scope)))
    throw new BadRequest(400, 'invalid_scope');
  return signer.accessToken(client, asked.join(' '));
}

function credentialsOf(request: IncomingMessage, form: URLSearchParams): { id: string; secret: string } {
  const header = request.headers.authorization ?? '';
  const basic = header.startsWith('Basic ') ? Buffer.from(header.slice(6), 'base64').toString('utf8') : null;
  const [id, secret] = basic
    ? basic.split(':').map((part) => decodeURIComponent(part))
    : [form.get('client_id') ?? undefined, form.get('client_secret') ?? undefined];
  return { id: id ?? '', secret: secret ?? '' };
}

const sameText = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

function reply(response: ServerResponse, status: number, content: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(content));
}
