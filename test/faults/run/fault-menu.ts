import { setTimeout as pause } from 'node:timers/promises';
import type { Broker, PartnerName } from '@entente/local';
import { stackRecipients } from '@entente/local';
import type { Random } from '../../sim/engine/random.ts';
import type { Nemesis } from '../checker/index.ts';
import { monotonicMs } from './clock.ts';
import type { Recording } from './recording.ts';
import type { LinkFault, TcpProxy } from './tcp-proxy.ts';
import type { Victim, World } from './world.ts';

/** A fault while it is in force. */
interface Imposed {
  readonly event: Omit<Nemesis, 'kind' | 'at' | 'to' | 'fault'>;
  heal(): Promise<void>;
}

export interface Fault {
  /** F1 … F20 of the fault matrix. */
  readonly id: string;
  /** What it strikes; two faults never strike the same at once. */
  readonly target: string;
  /** Milliseconds in force: least and most. */
  readonly lasts: readonly [number, number];
  impose(): Promise<Imposed>;
}

const second = 1_000;

/** Every fault of the matrix that one host can produce without harm to itself (reliability-plan §5). */
export function faultMenu(world: World, recording: Recording, random: Random): Fault[] {
  const { victims, toBrokers, toPostgres, infrastructure } = world;
  const gates = victims.filter(({ name }) => name.includes('connector')).map(({ name }) => name);
  return [
    ...victims.flatMap((victim) => [killed(victim, recording), stopped(victim), ended(victim, recording)]),
    ...infrastructure.kafka.brokers.flatMap((broker) => [brokerKilled(broker), brokerStopped(broker)]),
    twoBrokersKilled(infrastructure.kafka.brokers),
    ...links('F6', 'kafka', toBrokers, random, [{ kind: 'half-open' }, { kind: 'refuse' }], gates),
    ...links('F7', 'kafka', toBrokers, random, slowLines, []),
    ...links('F6', 'postgres', [toPostgres], random, [{ kind: 'half-open' }, { kind: 'refuse' }], 'all'),
    ...links('F7', 'postgres', [toPostgres], random, slowLines, []),
    ...stackRecipients.flatMap(({ recipient, partner }) => partnerFaults(world, recipient, partner)),
  ];
}

const killed = ({ name, process }: Victim, recording: Recording): Fault => ({
  ...{ id: 'F1', target: name, lasts: [second / 2, 3 * second] },
  async impose() {
    await process.signal('SIGKILL');
    recording.add({ kind: 'process.ended', at: monotonicMs(), process: name, how: 'kill' });
    return {
      event: { what: 'kill', target: name, cutsProof: [name] },
      heal: () => startAgain({ name, process }, recording),
    };
  },
});

const ended = ({ name, process }: Victim, recording: Recording): Fault => ({
  ...{ id: 'F1', target: name, lasts: [second / 2, 2 * second] },
  async impose() {
    await process.signal('SIGTERM');
    recording.add({ kind: 'process.ended', at: monotonicMs(), process: name, how: 'term' });
    return {
      event: { what: 'other', target: name, cutsProof: [name] },
      heal: () => startAgain({ name, process }, recording),
    };
  },
});

/** How often what ends while another fault hinders its start is started anew, as whatever supervises it would. */
const starts = 10;

async function startAgain({ name, process }: Victim, recording: Recording): Promise<void> {
  for (let start = 1; ; start += 1) {
    await process.start();
    recording.add({ kind: 'process.started', at: monotonicMs(), process: name });
    try {
      return await process.ready();
    } catch (error) {
      if (process.pid !== undefined || start === starts) throw error;
      recording.add({ kind: 'process.ended', at: monotonicMs(), process: name, how: 'crash' });
    }
  }
}

const stopped = ({ name, process }: Victim): Fault => ({
  ...{ id: 'F1', target: name, lasts: [second, 12 * second] },
  async impose() {
    await process.signal('SIGSTOP');
    return { event: { what: 'stop', target: name, cutsProof: [name] }, heal: () => process.signal('SIGCONT') };
  },
});

const brokerKilled = (broker: Broker): Fault => ({
  ...{ id: 'F2', target: `broker-${broker.id}`, lasts: [second, 8 * second] },
  async impose() {
    await broker.kill('SIGKILL');
    return { event: { what: 'kill', target: 'kafka', cutsProof: 'all' }, heal: () => broker.start() };
  },
});

const brokerStopped = (broker: Broker): Fault => ({
  ...{ id: 'F2', target: `broker-${broker.id}`, lasts: [second, 8 * second] },
  async impose() {
    await broker.kill('SIGSTOP');
    return { event: { what: 'stop', target: 'kafka', cutsProof: 'all' }, heal: () => broker.kill('SIGCONT') };
  },
});

const twoBrokersKilled = (brokers: readonly Broker[]): Fault => ({
  ...{ id: 'F2', target: 'brokers', lasts: [2 * second, 6 * second] },
  async impose() {
    const two = brokers.slice(0, 2);
    await Promise.all(two.map((broker) => broker.kill('SIGKILL')));
    return {
      event: { what: 'kill', target: 'kafka', cutsProof: 'all' },
      heal: async () => void (await Promise.all(two.map((broker) => broker.start()))),
    };
  },
});

const slowLines: readonly LinkFault[] = [
  { kind: 'slow', latencyMs: 40, jitterMs: 20 },
  { kind: 'slow', latencyMs: 200, jitterMs: 100 },
  { kind: 'slow', latencyMs: 1_000, jitterMs: 500 },
  { kind: 'drip', bytesPerSecond: 64_000 },
];

/** One line of a dependency, chosen anew each time, made bad. */
const links = (
  id: string,
  target: string,
  proxies: readonly TcpProxy[],
  random: Random,
  faults: readonly LinkFault[],
  cutsProof: readonly string[] | 'all',
): Fault[] =>
  faults.map((fault) => ({
    ...{ id, target: `line-${target}`, lasts: [2 * second, 8 * second] },
    impose() {
      const struck = random.chance(0.3) ? proxies : [random.pick(proxies)];
      for (const proxy of struck) proxy.impose(fault);
      const heal = (): Promise<void> => {
        for (const proxy of struck) proxy.heal();
        return Promise.resolve();
      };
      const what = fault.kind === 'half-open' || fault.kind === 'refuse' ? 'cut' : 'slow';
      return Promise.resolve({ event: { what, target, cutsProof: what === 'cut' ? cutsProof : 'all' }, heal });
    },
  }));

/** What a contract server can be told to do (F8, F9); each hits a part of the calls. */
const partnerTroubles: readonly object[] = [
  { kind: 'status', code: 503 },
  { kind: 'status', code: 500, probability: 0.5 },
  { kind: 'throttle', retryAfterMs: 1_000, probability: 0.7 },
  { kind: 'loseAnswer', probability: 0.5 },
  { kind: 'lie', probability: 0.5 },
  { kind: 'html', probability: 0.5 },
  { kind: 'malformed', probability: 0.5 },
  { kind: 'slow', ms: 3_000, when: 'before', probability: 0.5 },
  { kind: 'slow', ms: 7_000, when: 'answer', probability: 0.3 },
  { kind: 'drip', ms: 20, probability: 0.3 },
  { kind: 'down' },
];

const partnerFaults = ({ stack }: World, recipient: string, partner: PartnerName): Fault[] =>
  partnerTroubles.map((trouble) => ({
    ...{ id: 'F8', target: `partner-${partner}`, lasts: [3 * second, 10 * second] },
    async impose() {
      const { controlUrl } = stack.partners[partner];
      await tell(`${controlUrl}/faults`, 'PUT', trouble);
      return {
        event: { what: 'partner', target: `recipient:${recipient}` },
        heal: () => tell(`${controlUrl}/faults`, 'DELETE'),
      };
    },
  }));

async function tell(url: string, method: string, body?: object): Promise<void> {
  const json =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const answer = await fetch(url, { method, ...json, signal: AbortSignal.timeout(5 * second) });
  if (!answer.ok) throw new Error(`${method} ${url} answered ${answer.status}: ${await answer.text()}`);
}

/** Imposes one fault for its time, and writes down from when to when it was truly in force. */
export async function strike(fault: Fault, recording: Recording, random: Random, signal: AbortSignal): Promise<void> {
  // From before the first sign of it to after the last.
  const at = monotonicMs();
  const { event, heal } = await fault.impose();
  await pause(random.between(...fault.lasts), undefined, { signal }).catch(() => undefined);
  await heal();
  recording.add({ kind: 'nemesis', at, to: monotonicMs(), fault: fault.id, ...event });
}
