import { randomBytes } from 'node:crypto';
import type { Recording } from '../recording.ts';
import type { Victim, World } from '../world.ts';
import type { Fault } from './fault.ts';
import { end, startAgain } from './processes.ts';

const newKey = (kid: string): string =>
  `${kid}-${randomBytes(4).toString('hex')}:${randomBytes(32).toString('base64url')}`;
type Environment = NodeJS.ProcessEnv;

/** What some processes are started with from now on, one after the other. */
interface Step {
  readonly at: readonly Victim[];
  readonly change: (env: Environment) => Environment;
}

/**
 * F17: "key rotation under load; one component late". In the order that docs/configuration.md asks for: first everybody can open
 * what is made under the new key, then it is used. Whoever comes late in either step has no reason to miss anything.
 */
export const keyFaults = (world: World, recording: Recording): Fault[] => {
  const consents = world.victims.filter(({ name }) => name.startsWith('consent') || name === 'relay');
  const audiences = [...Map.groupBy(world.connectors, ({ audience }) => audience)];
  const rotation = (how: string, steps: () => readonly Step[]): Fault => rotated(how, steps, recording);
  return [
    ...audiences.flatMap(([audience, connectors]) => [
      rotation(`keys of the audience ${audience}`, () => {
        const key = newKey(`event-${audience}`);
        return [
          { at: connectors, change: added('AUDIENCE_KEYS', key) },
          { at: consents, change: (env) => ({ AUDIENCE_KEYS: firstOf(env['AUDIENCE_KEYS'] ?? '{}', audience, key) }) },
        ];
      }),
      rotation(`storage keys of ${audience}`, () =>
        inTwoSteps(connectors, 'STORAGE_KEYS', newKey(`storage-${audience}`)),
      ),
    ]),
    rotation('keys of the identifiers', () => inTwoSteps(consents, 'IDENTIFIER_KEYS', newKey('identifiers'))),
  ];
};

const inTwoSteps = (at: readonly Victim[], ring: string, key: string): readonly Step[] => [
  { at, change: added(ring, key) },
  { at, change: (env) => ({ [ring]: [key, ...keysIn(env[ring]).filter((other) => other !== key)].join(',') }) },
];

const keysIn = (ring = ''): string[] => ring.split(',').filter((key) => key !== '');
const added =
  (ring: string, key: string) =>
  (env: Environment): Environment => ({ [ring]: [...keysIn(env[ring]), key].join(',') });

function firstOf(text: string, audience: string, key: string): string {
  const rings = JSON.parse(text) as Record<string, string>;
  return JSON.stringify({ ...rings, [audience]: [key, ...keysIn(rings[audience])].join(',') });
}

const rotated = (how: string, steps: () => readonly Step[], recording: Recording): Fault => ({
  ...{ id: 'F17', how: `rotated: ${how}`, target: 'keys', lasts: [0, 0] },
  async impose(signal) {
    let restarted = 0;
    for (const { at, change } of steps())
      for (const victim of at) {
        // A rotation that stops anywhere is one whose last component is late for good.
        if (signal.aborted) break;
        victim.process.reconfigure(change(victim.process.definition.env));
        await end(victim, recording);
        await startAgain(victim, recording);
        restarted += 1;
      }
    return { event: { what: 'other', target: how }, heal: () => Promise.resolve(restarted) };
  },
});
