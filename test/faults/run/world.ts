import { createLogger } from '@entente/observability';
import {
  makePeople,
  starterCatalogue,
  starterNotice,
  startInfrastructure,
  startStack,
  stackRecipients,
  type Infrastructure,
  type Person,
  type ServiceProcess,
  type Stack,
} from '@entente/local';
import { monotonicMs } from './clock.ts';
import type { Recording } from './recording.ts';
import { TcpProxy } from './tcp-proxy.ts';

const brokers = 3;
export const everyPurpose = starterCatalogue.purposes.map(({ id }): string => id);
export const notice = starterNotice;

/** A process the nemesis may strike. */
export interface Victim {
  readonly name: string;
  readonly process: ServiceProcess;
}

/** The whole system on three brokers, with a proxy of ours before every dependency, and two of what may be two. */
export interface World {
  readonly infrastructure: Infrastructure;
  readonly stack: Stack;
  readonly victims: readonly Victim[];
  /** Before each broker, in the order of `infrastructure.kafka.brokers`. */
  readonly toBrokers: readonly TcpProxy[];
  readonly toPostgres: TcpProxy;
  readonly people: readonly Person[];
  stop(): Promise<void>;
}

export async function startWorld(count: number, recording: Recording, say: (line: string) => void): Promise<World> {
  const toBrokers = await Promise.all(Array.from({ length: brokers }, () => TcpProxy.listen()));
  const toPostgres = await TcpProxy.listen();
  const stops: (() => Promise<void>)[] = [
    async () => void (await Promise.all([...toBrokers, toPostgres].map((p) => p.close()))),
  ];
  const stop = async (): Promise<void> => {
    for (const end of stops.toReversed()) await end();
  };
  try {
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
    });
    stops.push(() => stack.stop());
    const victims = await everyProcess(stack);
    for (const { name } of victims) recording.add({ kind: 'process.started', at: beforeStart, process: name });
    return { infrastructure, stack, victims, toBrokers, toPostgres, people: makePeople(count), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A second tracker and a second gate of one recipient beside the first, as a brand would run them. */
async function everyProcess(stack: Stack): Promise<Victim[]> {
  const { services, relay } = stack;
  if (relay === undefined) throw new Error('the stack was started without a relay of its own');
  const second = await stack.another('ops');
  await second.start();
  await second.ready();
  return [...Object.values(services), relay, second].map((process) => ({ name: process.name, process }));
}

/** The connector process behind each recipient. */
export const processOf: ReadonlyMap<string, string> = new Map(
  stackRecipients.map(({ recipient, connector }) => [recipient, connector]),
);
