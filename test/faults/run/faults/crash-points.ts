import type { Random } from '../../../sim/engine/random.ts';
import type { Line } from '../lines/line-host.ts';
import type { Trap, Way } from '../lines/link-fault.ts';
import type { Recording } from '../recording.ts';
import type { Victim, World } from '../world.ts';
import { second, type Fault } from './fault.ts';
import { cutBy, kill, startAgain } from './processes.ts';

/** How long a crash point waits for its moment before it is called missed. */
const patienceMs = 10 * second;

/**
 * F1 at the steps of reliability-plan §4. A line of ours stands at every step between two processes: it holds what would be
 * the next step's beginning, the process is killed, and nothing of the program has to know. `between` names the steps.
 */
interface CrashPoint {
  readonly between: string;
  readonly of: (victims: readonly Victim[]) => readonly Victim[];
  readonly at: 'postgres' | 'kafka';
  readonly way: Way;
  readonly lets: number;
  readonly sees: Trap['sees'];
}

const saying = (text: string): Trap['sees'] => ({ text });
const named =
  (prefix: string) =>
  (victims: readonly Victim[]): readonly Victim[] =>
    victims.filter(({ name }) => name.startsWith(prefix));
const connectors = (victims: readonly Victim[]): readonly Victim[] =>
  victims.filter(({ name }) => name.includes('connector'));

const crashPoints: readonly CrashPoint[] = [
  {
    between: 'a request and its transaction',
    of: named('consent'),
    at: 'postgres',
    way: 'there',
    lets: 0,
    sees: saying('BEGIN'),
  },
  {
    between: 'the last statement and the commit',
    of: named('consent'),
    at: 'postgres',
    way: 'there',
    lets: 0,
    sees: saying('COMMIT'),
  },
  {
    between: 'the commit and the answer',
    of: named('consent'),
    at: 'postgres',
    way: 'back',
    lets: 0,
    sees: saying('COMMIT\0'),
  },
  {
    between: 'reading the outbox and sending',
    of: named('relay'),
    at: 'kafka',
    way: 'there',
    lets: 0,
    sees: 'produce',
  },
  { between: 'sending and hearing of it', of: named('relay'), at: 'kafka', way: 'there', lets: 1, sees: 'produce' },
  {
    between: 'the acknowledgement and the delete',
    of: named('relay'),
    at: 'postgres',
    way: 'there',
    lets: 0,
    sees: saying('relay-delete-'),
  },
  { between: 'fetching and the commit', of: connectors, at: 'postgres', way: 'there', lets: 0, sees: saying('COMMIT') },
  {
    between: 'the commit and hearing of it',
    of: connectors,
    at: 'postgres',
    way: 'back',
    lets: 0,
    sees: saying('COMMIT\0'),
  },
  {
    between: 'exposure and first byte',
    of: connectors,
    at: 'postgres',
    way: 'back',
    lets: 0,
    sees: saying('INSERT 0'),
  },
  {
    between: 'a record and the tracker',
    of: named('ops'),
    at: 'postgres',
    way: 'there',
    lets: 0,
    sees: saying('COMMIT'),
  },
];

export const crashFaults = (world: World, recording: Recording, random: Random): Fault[] => [
  ...crashPoints.map((point) => atLine(point, world, recording, random)),
  ...(
    [
      ['half a request', 'there', 0.5],
      ['the partner’s acceptance and reading it', 'back', 0],
    ] as const
  ).map(([between, way, lets]) => atTap(between, way, lets, world, recording, random)),
];

function atLine(
  { between, of, at, way, lets, sees }: CrashPoint,
  { victims, toBrokers, toPostgres }: World,
  recording: Recording,
  random: Random,
): Fault {
  const lines = at === 'kafka' ? toBrokers : [toPostgres];
  const candidates = of(victims);
  const how = `${nameOf(candidates)} killed between ${between}`;
  return {
    ...{ id: 'F1', how, target: `crash-${nameOf(candidates)}`, lasts: [second / 2, 2 * second] },
    impose() {
      const victim = random.pick(candidates);
      const only = victim.process.definition.env['INSTANCE'] ?? victim.name;
      const trap = { way, lets, sees, only };
      return trapped(victim, recording, (spring) => setEverywhere(lines, { ...trap, spring }));
    },
  };
}

const nameOf = ([first]: readonly Victim[]): string =>
  first === undefined ? 'nobody' : first.name.includes('connector') ? 'connector' : first.name;

function setEverywhere(lines: readonly Line[], trap: Trap): () => void {
  const undo = lines.map((line) => line.set(trap));
  return () => {
    for (const each of undo) each();
  };
}

const atTap = (
  between: string,
  way: Way,
  lets: number,
  { connectors: instances }: World,
  recording: Recording,
  random: Random,
): Fault => ({
  ...{
    id: 'F1',
    how: `connector killed between ${between}`,
    target: 'crash-connector',
    lasts: [second / 2, 2 * second],
  },
  impose() {
    const victim = random.pick(instances);
    return trapped(victim, recording, (spring) => victim.tap.set({ way, lets, sees: 'anything', spring }));
  },
});

/** Sets the trap and waits for its moment; null when it did not come, or came when the process was gone already. */
async function trapped(
  victim: Victim,
  recording: Recording,
  set: (spring: () => Promise<void>) => () => void,
): ReturnType<Fault['impose']> {
  const { promise: sprung, resolve } = Promise.withResolvers<boolean>();
  let isDone = false;
  const spring = async (): Promise<void> => {
    if (isDone || victim.process.pid === undefined) return;
    isDone = true;
    await kill(victim, recording);
    resolve(true);
  };
  const undo = set(spring);
  const tooLate = setTimeout(() => {
    if (isDone) return;
    isDone = true;
    resolve(false);
  }, patienceMs);
  const hit = await sprung;
  clearTimeout(tooLate);
  undo();
  if (!hit) return null;
  return {
    event: { what: 'kill', target: victim.name, cutsProof: cutBy(victim.name) },
    heal: async () => {
      await startAgain(victim, recording);
      return 1;
    },
  };
}
