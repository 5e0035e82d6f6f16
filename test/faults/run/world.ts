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
import type { Recording } from './recording.ts';
import { EgressTap } from './tap/egress-tap.ts';
import { TcpProxy } from './tcp-proxy.ts';

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
  readonly tap: string;
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
  readonly toBrokers: readonly TcpProxy[];
  readonly toPostgres: TcpProxy;
  /** Between the other services and the consent service. */
  readonly toConsent: TcpProxy;
  readonly tap: EgressTap;
  readonly people: readonly Person[];
  stop(): Promise<void>;
}

const originOf = ({ definition }: ServiceProcess): string => new URL(definition.readyUrl).origin;
const portOf = (url: string): number => Number(new URL(url).port);
const partners = stackRecipients.map(({ partner }) => partner);

export async function startWorld(count: number, recording: Recording, say: (line: string) => void): Promise<World> {
  const toBrokers = await Promise.all(Array.from({ length: brokers }, () => TcpProxy.listen()));
  const [toPostgres, toConsent] = [await TcpProxy.listen(), await TcpProxy.listen()];
  const stops: (() => Promise<void>)[] = [
    async () => void (await Promise.all([...toBrokers, toPostgres, toConsent].map((proxy) => proxy.close()))),
  ];
  const stop = async (): Promise<void> => {
    for (const end of stops.toReversed()) await end();
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'entente-tap-'));
    stops.push(() => rm(directory, { recursive: true, force: true }));
    const tap = await EgressTap.start(
      join(directory, 'tap.jsonl'),
      partners.flatMap((partner) => [`${partner}-1`, `${partner}-2`]),
    );
    stops.push(() => tap.stop());
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
        if (server === 'consent') toConsent.leadTo(portOf(url));
        else for (const each of [1, 2]) tap.lead(`${server}-${each}`, portOf(url));
        const port = server === 'consent' ? toConsent.port : tap.portOf(`${server}-1`);
        return `http://127.0.0.1:${port}`;
      },
    });
    stops.push(() => stack.stop());
    const { victims, connectors, consentUrls } = await everyProcess(stack, tap);
    toConsent.leadTo(...consentUrls.map(portOf));
    for (const { name } of victims) recording.add({ kind: 'process.started', at: beforeStart, process: name });
    const lines = { toBrokers, toPostgres, toConsent, tap };
    return { infrastructure, stack, victims, connectors, consentUrls, ...lines, people: makePeople(count), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A second instance beside each of the first, as a brand would run them. */
async function everyProcess(
  stack: Stack,
  tap: EgressTap,
): Promise<Pick<World, 'victims' | 'connectors' | 'consentUrls'>> {
  const { services, relay } = stack;
  if (relay === undefined) throw new Error('the stack was started without a relay of its own');
  const [consent, ops] = [await stack.another('consent'), await stack.another('ops')];
  const connectors = await Promise.all(
    stackRecipients.map(async ({ recipient, connector, partner }): Promise<Connector[]> => {
      const first = services[connector];
      const recipients = first.definition.env['RECIPIENTS'] ?? '';
      const [before, instead] = [1, 2].map((each) => `127.0.0.1:${tap.portOf(`${partner}-${each}`)}`);
      const second = await stack.another(connector, {
        RECIPIENTS: recipients.replaceAll(before ?? '', instead ?? ''),
      });
      return [first, second].map((process, index) => ({
        ...{ name: process.name, process, recipient, partner, url: originOf(process), tap: `${partner}-${index + 1}` },
        gate: process.definition.env['GATE_NAME'] ?? process.name,
      }));
    }),
  );
  const more = [consent, ops, ...connectors.flatMap((both) => both.slice(1).map(({ process }) => process))];
  for (const process of more) await process.start();
  await Promise.all(more.map((process) => process.ready()));
  return {
    victims: [...Object.values(services), relay, ...more].map((process) => ({ name: process.name, process })),
    connectors: connectors.flat(),
    consentUrls: [services.consent, consent].map(originOf),
  };
}
