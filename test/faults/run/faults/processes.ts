import { setTimeout as pause } from 'node:timers/promises';
import type { Victim, World } from '../world.ts';
import { monotonicMs } from '../clock.ts';
import type { Recording } from '../recording.ts';
import { second, type Fault } from './fault.ts';

/** Without the one relay no gate hears of anything. */
export const cutBy = (name: string): readonly string[] | 'all' => (name === 'relay' ? 'all' : [name]);

/** F1: every process killed, ended and stopped; F15: every instance of a service ended and started anew, one after the other. */
export const processFaults = ({ victims }: World, recording: Recording): Fault[] => [
  ...victims.flatMap((victim) => [killed(victim, recording), ended(victim, recording), stopped(victim)]),
  ...[...Map.groupBy(victims, serviceOf)].map(([service, instances]) => restartedInTurn(service, instances, recording)),
];

const killed = (victim: Victim, recording: Recording): Fault => ({
  ...{ id: 'F1', how: 'kill -9', target: victim.name, lasts: [second / 2, 3 * second] },
  async impose() {
    await kill(victim, recording);
    return {
      event: { what: 'kill', target: victim.name, cutsProof: cutBy(victim.name) },
      heal: () => startAgain(victim, recording),
    };
  },
});

const ended = (victim: Victim, recording: Recording): Fault => ({
  ...{ id: 'F1', how: 'SIGTERM', target: victim.name, lasts: [second / 2, 2 * second] },
  async impose() {
    await end(victim, recording);
    return {
      event: { what: 'other', target: victim.name, cutsProof: cutBy(victim.name) },
      heal: () => startAgain(victim, recording),
    };
  },
});

const stopped = ({ name, process }: Victim): Fault => ({
  ...{ id: 'F1', how: 'SIGSTOP', target: name, lasts: [second, 12 * second] },
  async impose() {
    await process.signal('SIGSTOP');
    return { event: { what: 'stop', target: name, cutsProof: cutBy(name) }, heal: () => process.signal('SIGCONT') };
  },
});

/** `crm-connector-4` is an instance of the CRM connector. */
const serviceOf = ({ name }: Victim): string => name.replace(/-\d+$/, '');

const restartedInTurn = (service: string, victims: readonly Victim[], recording: Recording): Fault => ({
  ...{ id: 'F15', how: 'every instance restarted in turn', target: service, lasts: [0, 0] },
  async impose(signal) {
    let restarted = 0;
    for (const victim of victims) {
      if (signal.aborted) break;
      await end(victim, recording);
      await startAgain(victim, recording);
      restarted += 1;
    }
    return { event: { what: 'other', target: service }, heal: () => Promise.resolve(restarted) };
  },
});

export async function kill({ name, process }: Victim, recording: Recording): Promise<void> {
  await process.signal('SIGKILL');
  recording.add({ kind: 'process.ended', at: monotonicMs(), process: name, how: 'kill' });
}

/** What supervises a service kills it when it takes longer than this to end. */
const endsWithinMs = 60 * second;

export async function end(victim: Victim, recording: Recording): Promise<void> {
  const { name, process } = victim;
  const waiting = new AbortController();
  const inTime = await Promise.race([
    process.signal('SIGTERM').then(() => true),
    // Cut short when the process has ended, which is the answer then.
    pause(endsWithinMs, false, { signal: waiting.signal }).catch(() => true),
  ]);
  waiting.abort();
  if (inTime) return recording.add({ kind: 'process.ended', at: monotonicMs(), process: name, how: 'term' });
  recording.unending.push(name);
  await kill(victim, recording);
}

/** How often what ends, or gets nowhere, while another fault hinders its start is tried anew, as whatever supervises it would. */
const tries = 40;

export async function startAgain({ name, process }: Victim, recording: Recording): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    if (process.pid === undefined) {
      await process.start();
      recording.add({ kind: 'process.started', at: monotonicMs(), process: name });
    }
    try {
      return await process.ready();
    } catch (error) {
      if (attempt === tries) throw error;
      if (process.pid === undefined)
        recording.add({ kind: 'process.ended', at: monotonicMs(), process: name, how: 'crash' });
    }
  }
}
