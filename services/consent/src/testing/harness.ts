import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import type { Scope } from '@entente/contracts';
import { LOCAL_ISSUER, createHttpApp } from '@entente/http';
import { loadConfig } from '@entente/config';
import { createLogger, createMetrics, systemClock } from '@entente/observability';
import type { LogLevel } from '@entente/observability';
import { createPool, migrate } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { ConsentConfig } from '../config.ts';
import { ConsentModule } from '../consent.module.ts';
import { ConsentParts } from '../consent-parts.ts';
import { CONSENT_SCHEMA, consentMigrations } from '../migrations/index.ts';
import { readinessChecks } from '../readiness.ts';
import { expectDescribed } from './described-answers.ts';

const key = (kid: string) => `${kid}:${randomBytes(32).toString('base64url')}`;
const allScopes: Scope[] = [
  ...(['consent:read', 'consent:grant', 'consent:withdraw', 'consent:import'] as const),
  ...(['share:write', 'audit:read', 'admin'] as const),
];

/** An answer of the service under test. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // A test looks into the answer as it came.
  readonly body: Record<string, never> & Record<string, unknown>;
}

export interface CallOptions {
  readonly token?: string;
  readonly headers?: Record<string, string>;
}

/** The consent service on a database of its own, called over HTTP. */
export interface ConsentUnderTest {
  readonly url: string;
  readonly pool: Pool;
  readonly databaseUrl: string;
  /** Answers a token of acme with `consent:read`. */
  readonly tokenUrl: string;
  readonly parts: ConsentParts;
  readonly config: Readonly<ConsentConfig>;
  token(scopes?: readonly Scope[], controller?: string, client?: string): Promise<string>;
  post(path: string, body: unknown, options?: CallOptions): Promise<Answer>;
  put(path: string, body: unknown, options?: CallOptions): Promise<Answer>;
  delete(path: string, options?: CallOptions): Promise<Answer>;
  get(path: string, options?: CallOptions): Promise<Answer>;
  stop(): Promise<void>;
}

export interface HarnessOptions {
  readonly env?: Record<string, string>;
  /** Start relay, sequencer and the rest in the background. Default false: rows stay where they were written. */
  readonly background?: boolean;
  /** Only what runs in the background connects. */
  readonly bootstrap?: readonly string[];
  readonly logLevel?: LogLevel;
}

/** A database as the test support makes it; who made it says how it goes. */
interface Database {
  readonly url: string;
  drop(): Promise<void>;
}

/** The database of another service under test, which stays when this one stops. */
export const databaseOf = ({ databaseUrl }: ConsentUnderTest): Database => ({
  url: databaseUrl,
  drop: () => Promise.resolve(),
});

export async function startConsent(database: Database, options: HarnessOptions = {}): Promise<ConsentUnderTest> {
  const issuer = await startIssuer();
  const log = createLogger({ service: 'consent', level: options.logLevel ?? 'error' });
  await migrate({ url: database.url, schema: CONSENT_SCHEMA, migrations: consentMigrations, log });
  const config = loadConfig(ConsentConfig, {
    DATABASE_URL: database.url,
    KAFKA_BOOTSTRAP: (options.bootstrap ?? ['localhost:1']).join(','),
    HTTP_PORT: '0',
    NODE_ENV: 'test',
    AUTH_ISSUER: LOCAL_ISSUER,
    AUTH_JWKS_URL: issuer.url,
    SUBJECT_HASH_KEYS: `1:${randomBytes(32).toString('base64url')}`,
    IDENTIFIER_KEYS: key('id1'),
    AUDIENCE_KEYS: JSON.stringify({ crm: key('crm1'), analytics: key('an1'), 'ad-partner': key('ad1') }),
    SHARE_KEYS: JSON.stringify({ crm: key('crm-s1') }),
    RELAY: 'off',
    ...options.env,
  });
  const metrics = createMetrics();
  const parts = new ConsentParts({ config, clock: systemClock, log, metrics });
  const checks = readinessChecks(parts);
  const app = await createHttpApp({ module: ConsentModule.forRoot({ config, parts, metrics, checks }), log });
  if (options.background ?? false) parts.start(true);
  await app.listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  const pool = createPool({ url: database.url, schema: CONSENT_SCHEMA, name: 'test', max: 4 });
  const everything = await issuer.token(allScopes, 'acme', 'test-client');

  const send = async (
    method: string,
    path: string,
    body: unknown,
    { token = everything, headers = {} }: CallOptions,
  ) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const { status, headers: told } = response;
    const answered: unknown = text === '' ? {} : JSON.parse(text);
    if (text !== '') expectDescribed(method, path, { status, body: answered });
    return { status, headers: told, body: answered } as Answer;
  };
  return {
    url,
    pool,
    databaseUrl: database.url,
    tokenUrl: issuer.tokenUrl,
    parts,
    config,
    token: (scopes = allScopes, controller = 'acme', client = 'test-client') =>
      issuer.token(scopes, controller, client),
    post: (path, body, call = {}) => send('POST', path, body, call),
    put: (path, body, call = {}) => send('PUT', path, body, call),
    delete: (path, call = {}) => send('DELETE', path, undefined, call),
    get: (path, call = {}) => send('GET', path, undefined, call),
    stop: async () => {
      // A kept-alive connection of the test's own client would hold the end up.
      app.getHttpServer().closeAllConnections();
      await app.close();
      await parts.stop();
      await pool.end();
      await issuer.stop();
      await database.drop();
    },
  };
}

async function startIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'test', alg: 'ES256', use: 'sig' }] });
  const sign = (scopes: readonly Scope[], controller: string, client: string) =>
    new SignJWT({ scope: scopes.join(' '), controller, client_id: client })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'test' })
      .setIssuer(LOCAL_ISSUER)
      .setAudience('entente')
      .setSubject(client)
      .setJti(randomBytes(8).toString('hex'))
      .setIssuedAt()
      .setExpirationTime('10 min')
      .sign(privateKey);
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.url !== '/token') return void response.end(jwks);
    void sign(['consent:read'], 'acme', 'gate').then((token) =>
      response.end(JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 600 })),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    tokenUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    token: sign,
    stop: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

const text = (en: string) => ({ en, fr: `${en} (fr)` });

/** Three purposes, three recipients and a notice that names them all. */
export const sampleCatalogue = {
  purposes: ['email-marketing', 'analytics', 'ad-targeting'].map((id) => ({
    id,
    title: text(id),
    description: text(`What ${id} is`),
    legalBasis: 'consent',
    dataCategories: ['contact'],
    party: id === 'ad-targeting' ? 'third' : 'first',
    fields: ['first-name'],
    active: true,
  })),
  recipients: [
    { id: 'hubspot-crm', kind: 'crm', purposes: ['email-marketing'], identifiers: ['email'] },
    { id: 'segment', kind: 'analytics', purposes: ['analytics'], identifiers: ['subject-id'] },
    { id: 'meta-ads', kind: 'ad-partner', purposes: ['ad-targeting'], identifiers: ['meta-email', 'meta-phone'] },
  ].map((recipient) => ({
    ...recipient,
    name: recipient.id,
    partner: recipient.id,
    preloaded: false,
    active: true,
  })),
  notices: [
    {
      id: 'privacy',
      version: 1,
      text: text('We ask you'),
      purposes: { 'email-marketing': ['hubspot-crm'], analytics: ['segment'], 'ad-targeting': ['meta-ads'] },
    },
  ],
};

/** A save that grants all three purposes. */
export const grantAll = (subjectId: string, identifiers?: object) => ({
  subjectId,
  notice: { id: 'privacy', version: 1 },
  decisions: ['email-marketing', 'analytics', 'ad-targeting'].map((purpose) => ({ purpose, decision: 'granted' })),
  ...(identifiers === undefined ? {} : { identifiers }),
});
