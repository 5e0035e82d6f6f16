import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TokenSource } from '@entente/http';
import type { Logger } from '@entente/observability';
import { EntenteClient } from '../client/entente-client.ts';
import type { Infrastructure } from '../infrastructure/infrastructure.ts';
import { freePorts } from '../infrastructure/ports.ts';
import { Supervisor } from '../infrastructure/supervisor.ts';
import { startIssuer } from '../issuer/issuer.ts';
import { stackClients, type ClientId } from './clients.ts';
import { migrateAll } from './migrations.ts';
import { repositoryFile } from './paths.ts';
import { makeSecrets } from './secrets.ts';
import {
  connectorEnvironment,
  consentEnvironment,
  opsEnvironment,
  partnerCredentials,
  type ConnectorName,
  type Wiring,
} from './service-environments.ts';
import { ServiceProcess } from './service-process.ts';
import { starterCatalogue } from './starter-catalogue.ts';
import { applyTopics } from './topics.ts';

export const connectorNames: readonly ConnectorName[] = [
  'crm-connector',
  'analytics-connector',
  'ad-partner-connector',
];
export const partnerNames = ['hubspot', 'segment', 'meta'] as const;
export type PartnerName = (typeof partnerNames)[number];
export type ServiceName = 'consent' | 'ops' | ConnectorName;

/** The recipients of the starter catalogue, with the connector that serves each and the partner behind it. */
export const stackRecipients = [
  { recipient: 'hubspot-crm', connector: 'crm-connector', partner: 'hubspot' },
  { recipient: 'segment-analytics', connector: 'analytics-connector', partner: 'segment' },
  { recipient: 'meta-ads', connector: 'ad-partner-connector', partner: 'meta' },
] as const satisfies readonly { recipient: string; connector: ConnectorName; partner: PartnerName }[];

export interface PartnerServer {
  readonly url: string;
  readonly controlUrl: string;
  readonly journal: string;
  readonly process: ServiceProcess;
}

export interface StackOptions {
  readonly infrastructure: Infrastructure;
  readonly log: Logger;
  readonly say: (line: string) => void;
  readonly controller?: string;
  readonly logLevel?: string;
  /** Added to a service's environment, for tests. */
  readonly environment?: Partial<Record<ServiceName, NodeJS.ProcessEnv>>;
  /** Services that should not be started with the rest. */
  readonly without?: readonly ServiceName[];
}

/** The whole system as separate processes on one machine, with one controller. */
export interface Stack {
  readonly controller: string;
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly services: Readonly<Record<ServiceName, ServiceProcess>>;
  readonly partners: Readonly<Record<PartnerName, PartnerServer>>;
  readonly runDirectory: string;
  readonly wiring: Wiring;
  client(id: ClientId): EntenteClient;
  token(id: ClientId): Promise<string>;
  stop(): Promise<void>;
}

const audience = 'entente';

/** Brings everything up in order: topics and schemas, issuer, contract servers, services, starter catalogue. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { infrastructure, log, say } = options;
  const controller = options.controller ?? 'acme';
  const secrets = makeSecrets();
  const supervisor = await Supervisor.open(await mkdtemp(join(tmpdir(), 'entente-stack-')));
  const { runDirectory } = supervisor;
  const issuer = await startIssuer({ clients: stackClients(secrets, controller), audience });
  try {
    const timed = stopwatch(say);
    await Promise.all([
      timed('topics', applyTopics({ bootstrap: infrastructure.bootstrap, log })),
      timed('database schemas', migrateAll({ databaseUrl: infrastructure.databaseUrl, log })),
    ]);
    const ports = await freePorts(partnerNames.length * 2 + 5);
    const port = (): number => ports.pop()!;
    const partners = await timed('partner contract servers', startPartners(supervisor, port));
    const servicePorts = {
      consent: port(),
      ops: port(),
      ...Object.fromEntries(connectorNames.map((name) => [name, port()])),
    } as Record<ServiceName, number>;
    const urls = Object.fromEntries(
      Object.entries(servicePorts).map(([name, number]) => [name, `http://127.0.0.1:${number}`]),
    ) as Record<ServiceName, string>;
    const wiring: Wiring = {
      databaseUrl: infrastructure.databaseUrl,
      bootstrap: infrastructure.bootstrap,
      issuer,
      audience,
      controller,
      secrets,
      consentUrl: urls.consent,
      opsUrl: urls.ops,
      partners,
      runDirectory,
      logLevel: options.logLevel ?? 'info',
    };
    const environments: Record<ServiceName, NodeJS.ProcessEnv> = {
      consent: consentEnvironment(wiring, servicePorts.consent),
      ops: opsEnvironment(wiring, servicePorts.ops),
      ...(Object.fromEntries(
        connectorNames.map((name) => [name, connectorEnvironment(wiring, name, servicePorts[name])]),
      ) as Record<ConnectorName, NodeJS.ProcessEnv>),
    };
    const services = Object.fromEntries(
      Object.entries(environments).map(([name, env]) => [
        name,
        new ServiceProcess(
          {
            name,
            entry: repositoryFile(`services/${name}/dist/main.js`),
            env: { ...env, ...options.environment?.[name as ServiceName] },
            readyUrl: `${urls[name as ServiceName]}/health/ready`,
          },
          supervisor,
        ),
      ]),
    ) as Record<ServiceName, ServiceProcess>;

    const sources = new Map<ClientId, TokenSource>();
    const token = (id: ClientId): Promise<string> => {
      const source =
        sources.get(id) ??
        new TokenSource({ tokenEndpoint: issuer.tokenUrl, clientId: id, clientSecret: secrets.clientSecret(id) });
      sources.set(id, source);
      return source.getToken();
    };
    const client = (id: ClientId): EntenteClient =>
      new EntenteClient({ consentUrl: urls.consent, opsUrl: urls.ops }, () => token(id));

    const wanted = (Object.keys(services) as ServiceName[]).filter((name) => !options.without?.includes(name));
    await services.consent.start();
    await timed('consent', services.consent.ready());
    // The catalogue first: a gate without one is closed, and its readiness says so.
    await timed('starter catalogue', client('operator').changeCatalogue(starterCatalogue));
    await Promise.all(
      wanted
        .filter((name) => name !== 'consent')
        .map(async (name) => {
          await services[name].start();
          await timed(name, services[name].ready());
        }),
    );
    return {
      controller,
      urls,
      services,
      partners,
      runDirectory,
      wiring,
      client,
      token,
      stop: async () => {
        await supervisor.finish();
        await issuer.stop();
      },
    };
  } catch (error) {
    await supervisor.finish();
    await issuer.stop();
    throw error;
  }
}

/** Says each part and its time as it becomes ready. */
const stopwatch =
  (say: (line: string) => void) =>
  async <T>(what: string, work: Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work;
    say(`${what} ready in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return result;
  };

const partnerArguments: Record<PartnerName, readonly string[]> = {
  hubspot: ['--token', partnerCredentials.hubspotToken],
  segment: ['--write-key', partnerCredentials.segmentWriteKey, '--token', partnerCredentials.segmentPublicApiToken],
  meta: ['--token', partnerCredentials.metaAccessToken, '--audience', partnerCredentials.metaAudience],
};

async function startPartners(supervisor: Supervisor, port: () => number): Promise<Record<PartnerName, PartnerServer>> {
  const started = await Promise.all(
    partnerNames.map(async (name) => {
      const [own, control] = [port(), port()];
      const journal = join(supervisor.runDirectory, `${name}.journal.jsonl`);
      const url = `http://127.0.0.1:${own}`;
      const controlUrl = `http://127.0.0.1:${control}`;
      const args = [
        name,
        '--port',
        String(own),
        '--control-port',
        String(control),
        '--journal',
        journal,
        ...partnerArguments[name],
      ];
      const process_ = new ServiceProcess(
        {
          name: `partner-${name}`,
          entry: repositoryFile('test/partners/dist/main.js'),
          args,
          env: { PATH: process.env['PATH'] },
          readyUrl: `${controlUrl}/health`,
        },
        supervisor,
      );
      await process_.start();
      await process_.ready();
      return [name, { url, controlUrl, journal, process: process_ }] as const;
    }),
  );
  return Object.fromEntries(started) as Record<PartnerName, PartnerServer>;
}
