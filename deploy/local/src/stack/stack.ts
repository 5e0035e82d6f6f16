import { appendFileSync, existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { TokenSource } from '@entente/http';
import { createLogger, type Logger } from '@entente/observability';
import { EntenteClient } from '../client/entente-client.ts';
import type { Infrastructure } from '../infrastructure/infrastructure.ts';
import { freePorts } from '../infrastructure/ports.ts';
import { Supervisor } from '../infrastructure/supervisor.ts';
import { startDemoWorld, type DemoWorld } from '../demo/demo-world.ts';
import { startIssuer, type Issuer } from '../issuer/issuer.ts';
import { consoleClient, consoleClientId, stackClients, stackPeople, type ClientId } from './clients.ts';
import { decisionsOf, relayOf } from './consent-processes.ts';
import { migrateAll } from './migrations.ts';
import type { ConnectorName, MorePartner } from './more-partner.ts';
import { repositoryFile } from './paths.ts';
import { makeSecrets, type StackSecrets } from './secrets.ts';
import {
  connectorEnvironment,
  consentEnvironment,
  opsEnvironment,
  partnerCredentials,
  type Wiring,
} from './service-environments.ts';
import { ServiceProcess } from './service-process.ts';
import { withMorePartners } from './starter-catalogue.ts';
import { applyTopics } from './topics.ts';

const connectorNames: readonly ConnectorName[] = ['crm-connector', 'analytics-connector', 'ad-partner-connector'];
export const partnerNames = ['hubspot', 'segment', 'meta'] as const;
export type PartnerName = (typeof partnerNames)[number];
export type ServiceName = 'consent' | 'ops' | ConnectorName;
const serviceNames: readonly ServiceName[] = ['consent', 'ops', ...connectorNames];

/** The recipients of the starter catalogue, with the connector that serves each and the partner behind it. */
export const stackRecipients = [
  { recipient: 'hubspot-crm', connector: 'crm-connector', partner: 'hubspot' },
  { recipient: 'segment-analytics', connector: 'analytics-connector', partner: 'segment' },
  { recipient: 'meta-ads', connector: 'ad-partner-connector', partner: 'meta' },
] as const satisfies readonly { recipient: string; connector: ConnectorName; partner: PartnerName }[];

interface PartnerServer {
  readonly url: string;
  readonly controlUrl: string;
  readonly journal: string;
  readonly process: ServiceProcess;
}

/** A recipient beside the starter catalogue's, with its running contract server. */
type RunningMorePartner = MorePartner & PartnerServer;

export interface StackOptions {
  readonly infrastructure: Infrastructure;
  /** What this process itself logs while bringing the system up; absent: `stack.log` beside the services' own logs. */
  readonly log?: Logger;
  readonly say: (line: string) => void;
  readonly controller?: string;
  /** Another controller, whose people and withdrawals the same consent service and relay carry: `client('neighbour')`. */
  readonly neighbour?: string;
  readonly logLevel?: string;
  /** Added to a service's environment, for tests. */
  readonly environment?: Partial<Record<ServiceName, NodeJS.ProcessEnv>>;
  /** Added to what Node is started with in every service, for tests. */
  readonly nodeOptions?: string;
  /** Runs the relay as a process of its own beside a consent service that has none, so that each can be stopped alone. */
  readonly separateRelay?: boolean;
  /** A process that answers `POST /v1/decisions:check` from a gate replica of its own. */
  readonly decisions?: boolean;
  /** Recipients beside the starter catalogue's. */
  readonly more?: readonly MorePartner[];
  /** A canary at every recipient: off where a test counts what leaves. */
  readonly canaries?: boolean;
  /** Fault switches in the console. */
  readonly faultSwitches?: boolean;
  /** What stands before a server: told where it listens, it answers where its clients are to go instead. */
  readonly before?: (server: 'consent' | PartnerName, url: string) => string;
}

/** The whole system as separate processes on one machine, with one controller. */
export interface Stack {
  readonly controller: string;
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly services: Readonly<Record<ServiceName, ServiceProcess>>;
  /** Only with `separateRelay`. */
  readonly relay?: ServiceProcess;
  /** Where decisions are asked for; only with `decisions`. */
  readonly decisionsUrl?: string;
  readonly partners: Readonly<Record<PartnerName, PartnerServer>>;
  readonly more: readonly RunningMorePartner[];
  readonly runDirectory: string;
  readonly wiring: Wiring;
  /**
   * One more instance of a service, not yet started, with its own port and, for a connector, its own gate directory;
   * `environment` is added to its own.
   */
  another(name: ServiceName, environment?: NodeJS.ProcessEnv): Promise<ServiceProcess>;
  client(id: ClientId): EntenteClient;
  token(id: ClientId): Promise<string>;
  stop(): Promise<void>;
}

const audience = 'entente';

/** Brings everything up in order: topics and schemas, issuer, contract servers, services, starter catalogue. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const supervisor = await Supervisor.open(await mkdtemp(join(tmpdir(), 'entente-stack-')), 'private');
  const log = options.log ?? logInto(join(supervisor.runDirectory, 'stack.log'));
  options.say(`logs of every process while it runs: ${supervisor.runDirectory}/*.log`);
  const secrets = makeSecrets();
  const controller = options.controller ?? 'acme';
  const ports = await freePorts((partnerNames.length + (options.more?.length ?? 0)) * 2 + serviceNames.length + 2);
  const port = (): number => ports.pop()!;
  const servicePorts = perService(() => port());
  const opsUrl = `http://127.0.0.1:${servicePorts.ops}`;
  const issuer = await startIssuer({
    clients: stackClients(secrets, controller, options.neighbour),
    audience,
    people: stackPeople(secrets.password),
    webClient: consoleClient(secrets.clientSecret(consoleClientId), opsUrl),
  });
  const demoWorlds: DemoWorld[] = [];
  const stop = async (): Promise<void> => {
    await supervisor.finish();
    await Promise.all([issuer.stop(), ...demoWorlds.map((world) => world.stop())]);
  };
  try {
    return {
      ...(await bringUp(options, { log, supervisor, secrets, controller, issuer, port, servicePorts, demoWorlds })),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Terminals are for people: a client's complaint about a broker that is still starting belongs beside the services' logs. */
function logInto(file: string): Logger {
  const write = (line: string): void => {
    // The supervisor removes the directory at the end, and a client's last complaint may come after that.
    if (existsSync(dirname(file))) appendFileSync(file, line);
  };
  return createLogger({ service: 'entente', level: 'warn', destination: { write } });
}

interface Ground {
  readonly log: Logger;
  readonly supervisor: Supervisor;
  readonly secrets: StackSecrets;
  readonly controller: string;
  readonly issuer: Issuer;
  readonly port: () => number;
  readonly servicePorts: Readonly<Record<ServiceName, number>>;
  /** Those that were started, to be stopped. */
  readonly demoWorlds: DemoWorld[];
}

async function bringUp(options: StackOptions, ground: Ground): Promise<Omit<Stack, 'stop'>> {
  const { infrastructure, before = (_server, url) => url } = options;
  const { log, supervisor, secrets, controller, issuer, port, servicePorts, demoWorlds } = ground;
  const timed = stopwatch(options.say);
  await Promise.all([
    timed('topics', applyTopics({ kafka: { brokers: infrastructure.bootstrap }, log })),
    timed('database schemas', migrateAll({ databaseUrl: infrastructure.databaseUrl, log })),
  ]);
  const [partners, more] = await timed(
    'partner contract servers',
    Promise.all([startPartners(supervisor, port), startMore(options.more ?? [], supervisor, port)]),
  );
  const demoToken = secrets.clientSecret('demo-world');
  if (options.faultSwitches ?? false)
    demoWorlds.push(
      await startDemoWorld(
        stackRecipients.map(({ recipient, partner }) => ({
          recipient,
          controlUrl: partners[partner].controlUrl,
          ...(partner === 'hubspot'
            ? { reimport: { url: partners[partner].url, token: partnerCredentials.hubspotToken } }
            : {}),
        })),
        demoToken,
      ),
    );
  const [demoWorld] = demoWorlds;
  const urls = perService((name) => `http://127.0.0.1:${servicePorts[name]}`);
  const decisionsPort = options.decisions ? port() : undefined;
  const wiring: Wiring = {
    databaseUrl: infrastructure.databaseUrl,
    bootstrap: infrastructure.bootstrap,
    issuer,
    audience,
    controller,
    secrets,
    consentUrl: before('consent', urls.consent),
    opsUrl: urls.ops,
    ...(decisionsPort ? { decisionsUrl: `http://127.0.0.1:${decisionsPort}` } : {}),
    connectorUrls: Object.fromEntries(
      [...stackRecipients, ...more].map(({ recipient, connector }) => [recipient, urls[connector]]),
    ),
    partners: perPartner((name) => ({ url: before(name, partners[name].url) })),
    more,
    runDirectory: supervisor.runDirectory,
    logLevel: options.logLevel ?? 'info',
    ...(options.nodeOptions === undefined ? {} : { nodeOptions: options.nodeOptions }),
    canaries: options.canaries ?? false,
    ...(demoWorld ? { demoWorld: { url: demoWorld.url, token: demoToken } } : {}),
  };
  const services = perService((name) => serviceOf(name, servicePorts[name], wiring, options, supervisor));
  const relay = options.separateRelay ? relayOf(port(), wiring, supervisor) : undefined;
  const { client, token } = clientsOf(wiring);

  await Promise.all([services.consent.start(), relay?.start()]);
  await timed('consent', Promise.all([services.consent.ready(), relay?.ready()]));
  // The catalogue first: a gate without one is closed, and its readiness says so.
  await timed('starter catalogue', client('operator').changeCatalogue(withMorePartners(more)));
  const recipients = [...stackRecipients, ...more].map(({ recipient }) => recipient);
  const followers: (readonly [string, ServiceProcess])[] = [
    ...serviceNames.filter((name) => name !== 'consent').map((name) => [name, services[name]] as const),
    ...(decisionsPort ? [['decisions', decisionsOf(decisionsPort, wiring, recipients, supervisor)] as const] : []),
  ];
  await Promise.all(
    followers.map(async ([name, service]) => {
      await service.start();
      await timed(name, service.ready());
    }),
  );
  const { runDirectory } = supervisor;
  let instances = 1;
  const another = async (name: ServiceName, environment: NodeJS.ProcessEnv = {}): Promise<ServiceProcess> => {
    const [own] = (await freePorts(1)) as [number];
    instances += 1;
    const given = { ...options.environment, [name]: { ...options.environment?.[name], ...environment } };
    return serviceOf(name, own, wiring, { ...options, environment: given }, supervisor, instances);
  };
  const one = { controller, urls, services, partners, more, runDirectory, wiring };
  const { decisionsUrl } = wiring;
  return { ...one, ...(relay ? { relay } : {}), ...(decisionsUrl ? { decisionsUrl } : {}), another, client, token };
}

const perPartner = <T>(make: (name: PartnerName) => T): Record<PartnerName, T> =>
  Object.fromEntries(partnerNames.map((name) => [name, make(name)])) as Record<PartnerName, T>;

const perService = <T>(make: (name: ServiceName) => T): Record<ServiceName, T> =>
  Object.fromEntries(serviceNames.map((name) => [name, make(name)])) as Record<ServiceName, T>;

function environmentOf(name: ServiceName, port: number, wiring: Wiring): NodeJS.ProcessEnv {
  if (name === 'consent') return consentEnvironment(wiring, port);
  if (name === 'ops') return opsEnvironment(wiring, port);
  return connectorEnvironment(wiring, name, port);
}

function serviceOf(
  name: ServiceName,
  port: number,
  wiring: Wiring,
  { environment, separateRelay }: StackOptions,
  supervisor: Supervisor,
  instance = 1,
): ServiceProcess {
  const relayElsewhere = name === 'consent' && separateRelay ? { RELAY: 'off' } : {};
  const label = instance === 1 ? name : `${name}-${instance}`;
  const own =
    instance === 1
      ? {}
      : { INSTANCE: label, GATE_NAME: label, GATE_DIR: join(supervisor.runDirectory, `gate-${label}`) };
  return new ServiceProcess(
    {
      name: label,
      entry: repositoryFile(`services/${name}/dist/main.js`),
      env: { ...environmentOf(name, port, wiring), ...relayElsewhere, ...own, ...environment?.[name] },
      readyUrl: `http://127.0.0.1:${port}/health/ready`,
    },
    supervisor,
  );
}

function clientsOf(wiring: Wiring): Pick<Stack, 'client' | 'token'> {
  const sources = new Map<ClientId, TokenSource>();
  const token = (id: ClientId): Promise<string> => {
    const source =
      sources.get(id) ??
      new TokenSource({
        tokenEndpoint: wiring.issuer.tokenUrl,
        clientId: id,
        clientSecret: wiring.secrets.clientSecret(id),
      });
    sources.set(id, source);
    return source.getToken();
  };
  return { token, client: (id) => new EntenteClient(wiring, () => token(id)) };
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
    partnerNames.map(
      async (name) => [name, await startPartner(name, name, partnerArguments[name], supervisor, port)] as const,
    ),
  );
  return Object.fromEntries(started) as Record<PartnerName, PartnerServer>;
}

const startMore = (
  more: readonly MorePartner[],
  supervisor: Supervisor,
  port: () => number,
): Promise<RunningMorePartner[]> =>
  Promise.all(
    more.map(async (partner) => {
      const { kind, args } = partner.server;
      return { ...partner, ...(await startPartner(partner.recipient, kind, args, supervisor, port)) };
    }),
  );

async function startPartner(
  name: string,
  kind: string,
  more: readonly string[],
  supervisor: Supervisor,
  port: () => number,
): Promise<PartnerServer> {
  const [own, control] = [port(), port()];
  const journal = join(supervisor.runDirectory, `${name}.journal.jsonl`);
  const controlUrl = `http://127.0.0.1:${control}`;
  const ports = ['--port', String(own), '--control-port', String(control)];
  const process_ = new ServiceProcess(
    {
      name: `partner-${name}`,
      entry: repositoryFile('test/partners/dist/main.js'),
      args: [kind, ...ports, '--journal', journal, ...more],
      env: { PATH: process.env['PATH'] },
      readyUrl: `${controlUrl}/health`,
    },
    supervisor,
  );
  await process_.start();
  await process_.ready();
  return { url: `http://127.0.0.1:${own}`, controlUrl, journal, process: process_ };
}
