import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { controllerId } from '@entente/contracts';
import { applyTopics, freePorts, repositoryFile, ServiceProcess, startIssuer, Supervisor } from '@entente/local';
import { createLogger } from '@entente/observability';
import { createPool, migrate, type MigrationClass, type Pool } from '@entente/postgres';
import { kafkaBootstrap, testDatabase } from '@entente/test-support';
import { ConnectorStub } from './connector-stub.ts';

export const people = [
  { id: 'viewer', name: 'Vera Viewer', password: 'viewer-password', roles: ['viewer'] },
  { id: 'operator', name: 'Otto Operator', password: 'operator-password', roles: ['operator'] },
  { id: 'admin', name: 'Ada Admin', password: 'admin-password', roles: ['admin'] },
  { id: 'guest', name: 'Gus Guest', password: 'guest-password', roles: ['somebody-else'] },
] as const;
export type PersonId = (typeof people)[number]['id'];

/** The built ops service as a process on a database of its own, an issuer to sign in at, and connectors' operator API. */
export interface ConsoleWorld {
  readonly url: string;
  readonly issuerOrigin: string;
  readonly controller: string;
  readonly pool: Pool;
  readonly connectors: ConnectorStub;
  readonly ops: ServiceProcess;
  /** Asks the API as a machine that may look, or one that may act: POST where there is a body. */
  ask(
    path: string,
    body?: object,
    as?: 'machine' | 'operator',
  ): Promise<{ readonly status: number; readonly answer: Record<string, never> }>;
  stop(): Promise<void>;
}

const log = createLogger({ service: 'console-test', level: 'error' });

/** @param more environment of the ops service, given the address where its neighbours are */
export async function startConsoleWorld(more: (stub: string) => NodeJS.ProcessEnv = () => ({})): Promise<ConsoleWorld> {
  const controller = `console-${randomBytes(4).toString('hex')}`;
  const database = await testDatabase('console');
  const { opsMigrations } = (await import(repositoryFile('services/ops/dist/migrations/index.js'))) as {
    opsMigrations: MigrationClass[];
  };
  await migrate({ url: database.url, schema: 'ops', migrations: opsMigrations, log });
  await applyTopics({ kafka: { brokers: kafkaBootstrap() }, log });
  const pool = createPool({ url: database.url, schema: 'ops', name: 'console-test', max: 4 });
  const [port] = (await freePorts(1)) as [number];
  const url = `http://127.0.0.1:${port}`;
  const webClient = { clientId: 'console', secret: 'console-secret', redirectUrl: `${url}/console/signed-in` };
  const clients = [
    { clientId: 'ops', secret: 'ops-secret', controller, scopes: ['consent:read', 'ops:read', 'ops:operate'] as const },
    { clientId: 'machine', secret: 'machine-secret', controller, scopes: ['ops:read', 'consent:read'] as const },
  ];
  const issuer = await startIssuer({ clients, audience: 'entente', people, webClient });
  const connectors = await ConnectorStub.start();
  const directory = await mkdtemp(join(tmpdir(), 'entente-console-'));
  const supervisor = await Supervisor.open(directory, 'private');
  const ops = new ServiceProcess(
    {
      name: 'ops',
      entry: repositoryFile('services/ops/dist/main.js'),
      readyUrl: `${url}/health/ready`,
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'test',
        LOG_LEVEL: 'info',
        TZ: 'UTC',
        HTTP_PORT: String(port),
        DATABASE_URL: database.url,
        KAFKA_BOOTSTRAP: kafkaBootstrap().join(','),
        AUTH_ISSUER: issuer.issuer,
        AUTH_JWKS_URL: issuer.jwksUrl,
        CONTROLLER: controller,
        CONSENT_URL: connectors.url,
        TOKEN_URL: issuer.tokenUrl,
        CLIENT_ID: 'ops',
        CLIENT_SECRET: 'ops-secret',
        CONNECTOR_URLS: JSON.stringify(
          Object.fromEntries(
            ['meta-ads', 'hubspot-crm', 'dead-end'].map((id) => [
              id,
              id === 'dead-end' ? 'http://127.0.0.1:9' : connectors.url,
            ]),
          ),
        ),
        CONSOLE_URL: url,
        OIDC_DISCOVERY_URL: issuer.discoveryUrl,
        OIDC_CLIENT_ID: webClient.clientId,
        OIDC_CLIENT_SECRET: webClient.secret,
        ...more(connectors.url),
      },
    },
    supervisor,
  );
  const stop = async (): Promise<void> => {
    await supervisor.finish();
    await Promise.all([issuer.stop(), connectors.stop(), pool.end()]);
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    // There is no relay here whose watermarks would say up to when everything is known (ADR 32).
    await pool.query(`INSERT INTO log_horizon SELECT p, '2999-01-01' FROM generate_series(0, 11) AS p`);
    await ops.start();
    await ops.ready();
  } catch (error) {
    await stop();
    throw error;
  }
  const token = async (as: 'machine' | 'operator'): Promise<string> => {
    const client = as === 'machine' ? 'machine' : 'ops';
    const answer = await fetch(issuer.tokenUrl, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: client,
        client_secret: `${client}-secret`,
      }),
    });
    return ((await answer.json()) as { access_token: string }).access_token;
  };
  return {
    url,
    issuerOrigin: new URL(issuer.tokenUrl).origin,
    controller: controllerId(controller),
    pool,
    connectors,
    ops,
    ask: async (path, body, as = 'machine') => {
      const response = await fetch(url + path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${await token(as)}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, answer: (await response.json()) as Record<string, never> };
    },
    stop,
  };
}
