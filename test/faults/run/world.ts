import { mkdtemp, rm } from 'node:fs/promises';
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
import { LineHost, type Line } from './lines/line-host.ts';
import type { Recording } from './recording.ts';

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
  /** Between the other services and the consent service. */
  readonly toConsent: Line;
  /** What the taps saw. */
  readonly tapFile: string;
  readonly people: readonly Person[];
  stop(): Promise<void>;
}

const originOf = ({ definition }: ServiceProcess): string => new URL(definition.readyUrl).origin;
const portOf = (url: string): number => Number(new URL(url).port);
const partners = stackRecipients.map(({ partner }) => partner);

export interface WorldOptions {
  readonly people: number;
  /** Of each service; with one, the CRM connector alone has a second. */
  readonly instances: 1 | 2;
}

export async function startWorld(
  { people, instances }: WorldOptions,
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
    const tapFile = join(directory, 'tap.jsonl');
    // Three processes, so that none of them has to carry all there is.
    const toBrokers = await host(Array.from({ length: brokers }, (_, index) => `kafka-${index + 1}`));
    const [toPostgres, toConsent] = (await host(['postgres', 'consent'])) as [Line, Line];
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
    const database = new URL(infrastructure.databaseUrl);
    toPostgres.leadTo(Number(database.port));
    database.port = String(toPostgres.port);
    // Before any of them runs: what a process does, it does after its start.
    const beforeStart = monotonicMs();
    const stack = await startStack({
      infrastructure: {
        ...infrastructure,
        databaseUrl: database.href,
        bootstrap: advertise.map((port) => `127.0.0.1:${port}`),
      },
      log: createLogger({ service: 'faults', level: 'error' }),
      say,
      separateRelay: true,
      before(server, url) {
        const lines = server === 'consent' ? [toConsent] : [tapAt(taps, server, 1), tapAt(taps, server, 2)];
        for (const line of lines) line.leadTo(portOf(url));
        return `http://127.0.0.1:${lines[0]?.port ?? 0}`;
      },
    });
    stops.push(() => stack.stop());
    const { victims, connectors, consentUrls } = await everyProcess(stack, taps, instances);
    toConsent.leadTo(...consentUrls.map(portOf));
    for (const { name } of victims) recording.add({ kind: 'process.started', at: beforeStart, process: name });
    const lines = { toBrokers, toPostgres, toConsent, tapFile };
    return { infrastructure, stack, victims, connectors, consentUrls, ...lines, people: makePeople(people), stop };
  } catch (error) {
    await stop();
    throw error;
  }
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
      const second = { RECIPIENTS: recipients.replaceAll(before ?? '', instead ?? '') };
      const both = isAlone ? [first] : [first, await stack.another(connector, second)];
      return both.map((process, index) => ({
        ...{ name: process.name, process, recipient, partner, url: originOf(process), tap: own[index] ?? own[0] },
        gate: process.definition.env['GATE_NAME'] ?? process.name,
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
