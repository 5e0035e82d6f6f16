import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@entente/observability';
import {
  makePeople,
  starterCatalogue,
  starterNotice,
  startInfrastructure,
  startStack,
  stackRecipients,
  type Infrastructure,
  type PartnerName,
  type Person,
  type ServiceProcess,
  type Stack,
} from '@entente/local';
import { monotonicMs } from './clock.ts';
import { TopicReader } from './evidence/topics.ts';
import { WrongClocks } from './evidence/wrong-clocks.ts';
import { LineHost, type Line } from './lines/line-host.ts';
import type { Recording } from './recording.ts';
import { RunDatabase } from './run-database.ts';
import { canLimitFiles } from './file-limit.ts';
import { SmallDisk } from './small-disk.ts';

const brokers = 3;
export const everyPurpose = starterCatalogue.purposes.map(({ id }): string => id);
export const notice = starterNotice;

/** A process the nemesis may strike. */
export interface Victim {
  readonly name: string;
  readonly process: ServiceProcess;
}

/** One instance of a connector service, with the tap between it and its partner. */
export interface Connector extends Victim {
  readonly recipient: string;
  readonly partner: PartnerName;
  /** Whose keys it opens events with. */
  readonly audience: string;
  readonly url: string;
  readonly tap: Line;
  /** As it names its gate. */
  readonly gate: string;
}

/** The whole system on three brokers: two of each service, and something of ours before every dependency. */
export interface World {
  readonly infrastructure: Infrastructure;
  readonly stack: Stack;
  readonly victims: readonly Victim[];
  readonly connectors: readonly Connector[];
  /** Where the API listens. */
  readonly consentUrls: readonly string[];
  /** Before each broker, in the order of `infrastructure.kafka.brokers`. */
  readonly toBrokers: readonly Line[];
  readonly toPostgres: Line;
  /** What the topics tell, past every line. */
  readonly topics: TopicReader;
  /** Null where it is none of ours to break. */
  readonly database: RunDatabase | null;
  /** Of the primary as it is now, past every line. */
  readonly databaseUrl: () => string;
  /** Where the wall clock of each service can be set wrong (`own-clock.ts`); null where nobody wants that. */
  readonly clocks: string | null;
  /** Where processes say what ended them. */
  readonly directory: string;
  readonly wrongClocks: WrongClocks;
  /** On which one gate keeps its replica; null where it cannot be made, or is not wanted. */
  readonly smallDisk: SmallDisk | null;
  /** Whether a process can be given less room than the disk has. */
  readonly limitsFiles: boolean;
  /** Faults that were asked for and that this host cannot produce, and why. */
  readonly impossible: readonly (readonly [what: string, why: string])[];
  /** Between the other services and the consent service. */
  readonly toConsent: Line;
  /** What the taps saw. */
  readonly tapFile: string;
  readonly people: readonly Person[];
  /** subjectId → subjectKey, known from the first answer. */
  readonly keys: Map<string, string>;
  stop(): Promise<void>;
}

const originOf = ({ definition }: ServiceProcess): string => new URL(definition.readyUrl).origin;
const portOf = (url: string): number => Number(new URL(url).port);
const partners = stackRecipients.map(({ partner }) => partner);

export interface WorldOptions {
  readonly people: number;
  /** Of each service; with one, the CRM connector alone has a second. */
  readonly instances: 1 | 2;
  /** Whether a fault may be chosen: what it alone needs is started for it alone. */
  readonly onMenu: (id: string) => boolean;
}

export async function startWorld(
  { people, instances, onMenu }: WorldOptions,
  recording: Recording,
  say: (line: string) => void,
): Promise<World> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.toReversed()) await end();
  };
  const host = async (names: readonly string[], file?: string): Promise<readonly Line[]> => {
    const started = await LineHost.start(names, file);
    stops.push(() => started.stop());
    return started.lines;
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'entente-tap-'));
    stops.push(() => rm(directory, { recursive: true, force: true }));
    const clocks = onMenu('F12') ? join(directory, 'clocks') : null;
    if (clocks !== null) await mkdir(clocks);
    const preloaded = [
      loaded('last-words.ts', directory),
      ...(clocks === null ? [] : [loaded('own-clock.ts', clocks)]),
    ];
    const tapFile = join(directory, 'tap.jsonl');
    // Three processes, so that none of them has to carry all there is.
    const toBrokers = await host(Array.from({ length: brokers }, (_, index) => `kafka-${index + 1}`));
    const hosted = await host(['postgres', 'consent', 'replication']);
    const [toPostgres, toConsent, toReplicate] = hosted as [Line, Line, Line];
    const taps = await host(
      partners.flatMap((partner) => [`${partner}-1`, `${partner}-2`]),
      tapFile,
    );
    const advertise = toBrokers.map(({ port }) => port);
    const infrastructure = await startInfrastructure({ brokers, advertise, say });
    stops.push(() => infrastructure.stop());
    infrastructure.kafka.brokers.forEach((broker, index) => {
      if (broker.clientPort === undefined)
        throw new Error('fault runs need brokers of their own: unset KAFKA_BOOTSTRAP');
      toBrokers[index]?.leadTo(broker.clientPort);
    });
    const direct = new URL(infrastructure.databaseUrl);
    toPostgres.leadTo(Number(direct.port));
    const impossible: [what: string, why: string][] = [];
    const database = await RunDatabase.of(infrastructure, [toPostgres, toReplicate]);
    if (database !== null) stops.push(() => database.stop());
    if (onMenu('F4') && database === null)
      impossible.push(['F4', 'PostgreSQL is no process of this machine: unset DATABASE_URL']);
    if (onMenu('F4')) await database?.addStandby();
    const disk = onMenu('F13') ? await SmallDisk.mount() : null;
    const smallDisk = disk instanceof SmallDisk ? disk : null;
    if (smallDisk !== null) stops.push(() => smallDisk.unmount());
    if (typeof disk === 'string') impossible.push(['F13 at a gate', disk]);
    const limitsFiles = onMenu('F13') && (await canLimitFiles());
    if (onMenu('F13') && !limitsFiles) impossible.push(['F13 at the servers', 'there is no prlimit (util-linux)']);
    direct.port = String(toPostgres.port);
    // Before any of them runs: what a process does, it does after its start.
    const beforeStart = monotonicMs();
    const stack = await startStack({
      infrastructure: {
        ...infrastructure,
        databaseUrl: direct.href,
        bootstrap: advertise.map((port) => `127.0.0.1:${port}`),
      },
      log: createLogger({ service: 'faults', level: 'error' }),
      say,
      separateRelay: true,
      nodeOptions: preloaded.map((url) => `--import=${url}`).join(' '),
      before(server, url) {
        const lines = server === 'consent' ? [toConsent] : [tapAt(taps, server, 1), tapAt(taps, server, 2)];
        for (const line of lines) line.leadTo(portOf(url));
        return `http://127.0.0.1:${lines[0]?.port ?? 0}`;
      },
    });
    stops.push(() => stack.stop());
    const { victims, connectors, consentUrls } = await everyProcess(stack, taps, instances, smallDisk);
    toConsent.leadTo(...consentUrls.map(portOf));
    for (const { name } of victims) recording.add({ kind: 'process.started', at: beforeStart, process: name });
    const lines = {
      directory,
      toBrokers,
      toPostgres,
      toConsent,
      tapFile,
      database,
      clocks,
      smallDisk,
      limitsFiles,
      impossible,
    };
    const wrongClocks = new WrongClocks();
    const topics = new TopicReader(infrastructure.bootstrap, wrongClocks);
    const databaseUrl = (): string => database?.primary.url ?? infrastructure.databaseUrl;
    return {
      infrastructure,
      stack,
      victims,
      connectors,
      consentUrls,
      databaseUrl,
      topics,
      wrongClocks,
      ...lines,
      people: makePeople(people),
      keys: new Map(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A module of this folder that every service loads before its own. */
function loaded(module: string, directory: string): string {
  const url = new URL(module, import.meta.url);
  url.searchParams.set('in', directory);
  return url.href;
}

function tapAt(taps: readonly Line[], partner: PartnerName, instance: 1 | 2): Line {
  const found = taps.find(({ name }) => name === `${partner}-${instance}`);
  if (found === undefined) throw new Error(`there is no tap ${partner}-${instance}`);
  return found;
}

/** A second instance beside each of the first, as a brand would run them. */
async function everyProcess(
  stack: Stack,
  taps: readonly Line[],
  instances: 1 | 2,
  smallDisk: SmallDisk | null,
): Promise<Pick<World, 'victims' | 'connectors' | 'consentUrls'>> {
  const { services, relay } = stack;
  if (relay === undefined) throw new Error('the stack was started without a relay of its own');
  const beside = instances === 1 ? [] : [await stack.another('consent'), await stack.another('ops')];
  const connectors = await Promise.all(
    stackRecipients.map(async ({ recipient, connector, partner }): Promise<Connector[]> => {
      const first = services[connector];
      const isAlone = instances === 1 && connector !== 'crm-connector';
      const recipients = first.definition.env['RECIPIENTS'] ?? '';
      const own = [tapAt(taps, partner, 1), tapAt(taps, partner, 2)] as const;
      const [before, instead] = own.map(({ port }) => `127.0.0.1:${port}`);
      const onSmallDisk = smallDisk !== null && connector === 'crm-connector' ? { GATE_DIR: smallDisk.directory } : {};
      const second = { RECIPIENTS: recipients.replaceAll(before ?? '', instead ?? ''), ...onSmallDisk };
      const both = isAlone ? [first] : [first, await stack.another(connector, second)];
      return both.map((process, index) => ({
        ...{ name: process.name, process, recipient, partner, url: originOf(process), tap: own[index] ?? own[0] },
        gate: process.definition.env['GATE_NAME'] ?? process.name,
        audience: connector.replace('-connector', ''),
      }));
    }),
  );
  const more = [...beside, ...connectors.flatMap((both) => both.slice(1).map(({ process }) => process))];
  for (const process of more) await process.start();
  await Promise.all(more.map((process) => process.ready()));
  return {
    victims: [...Object.values(services), relay, ...more].map((process) => ({ name: process.name, process })),
    connectors: connectors.flat(),
    consentUrls: [services.consent, ...beside.slice(0, 1)].map(originOf),
  };
}
