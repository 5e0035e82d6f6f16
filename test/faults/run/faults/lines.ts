import type { Random } from '../../../sim/engine/random.ts';
import type { Nemesis } from '../../checker/index.ts';
import type { Line } from '../lines/line-host.ts';
import type { LinkFault } from '../lines/link-fault.ts';
import type { Connector, Victim, World } from '../world.ts';
import { second, type Fault } from './fault.ts';
import { cutBy } from './processes.ts';

/** F6: nothing passes. */
const cuts: readonly LinkFault[] = [
  { kind: 'half-open' },
  { kind: 'half-open', way: 'there' },
  { kind: 'half-open', way: 'back' },
  { kind: 'refuse' },
];
/** F7: everything passes, late or now and then not. */
const troubles: readonly LinkFault[] = [
  { kind: 'slow', latencyMs: 40, jitterMs: 20 },
  { kind: 'slow', latencyMs: 200, jitterMs: 100 },
  { kind: 'slow', latencyMs: 1_000, jitterMs: 500 },
  { kind: 'drip', bytesPerSecond: 64_000 },
  { kind: 'reset', probability: 0.01 },
];
/** A partner's answers have no check sum of ours: a byte changed in them must never look like an acceptance. */
const corruption: LinkFault = { kind: 'corrupt', way: 'back', probability: 0.3 };

export const lineFaults = (world: World, random: Random): Fault[] => [
  ...atServers('kafka', world.toBrokers, world.victims, random),
  ...atServers('postgres', [world.toPostgres], world.victims, random),
  ...[...cuts, ...troubles].map((fault) => atConsent(world, fault)),
  ...world.connectors.flatMap((connector) =>
    [...cuts, ...troubles, corruption].map((fault) => atPartner(connector, fault)),
  ),
];

const idOf = ({ kind }: LinkFault): string => {
  if (kind === 'corrupt') return 'F8';
  return kind === 'half-open' || kind === 'refuse' ? 'F6' : 'F7';
};
const whatOf = (fault: LinkFault): Nemesis['what'] => (idOf(fault) === 'F6' ? 'cut' : 'slow');
const times: readonly [number, number] = [2 * second, 8 * second];

function named(fault: LinkFault): string {
  switch (fault.kind) {
    case 'slow':
      return `${fault.latencyMs} ms + jitter`;
    case 'drip':
      return `${fault.bytesPerSecond / 1_000} kB/s`;
    case 'reset':
      return `${fault.probability * 100} % resets`;
    case 'corrupt':
      return 'corrupt answers';
    case 'half-open':
      return fault.way === undefined ? 'half-open' : `dead ${fault.way}`;
    case 'refuse':
      return 'refused';
  }
}

/** For everybody or for one process, at one server of several or at all of them. */
const atServers = (
  target: 'kafka' | 'postgres',
  proxies: readonly Line[],
  victims: readonly Victim[],
  random: Random,
): Fault[] =>
  [...cuts, ...troubles].flatMap((fault) =>
    (['all', 'one'] as const).map((whose) => ({
      ...{ id: idOf(fault), target: `line-${target}`, lasts: times },
      how: `${target}: ${named(fault)}${whose === 'one' ? ' for one process' : ''}`,
      async impose() {
        const one = whose === 'one' ? random.pick(victims) : undefined;
        const struck = one !== undefined || random.chance(0.4) ? proxies : [random.pick(proxies)];
        const instance = one?.process.definition.env['INSTANCE'];
        const aimed = instance === undefined ? fault : { ...fault, only: instance };
        await Promise.all(struck.map((line) => line.impose(aimed)));
        const isDead = whatOf(fault) === 'cut' && struck.length === proxies.length;
        const cutsProof = one === undefined ? ('all' as const) : cutBy(one.name);
        return {
          event: { what: whatOf(fault), target, ...(isDead && provesThrough(target, one) ? { cutsProof } : {}) },
          heal: () => healed(struck),
        };
      },
    })),
  );

/** A gate needs no database for its lease; the relay needs one for every watermark. */
const provesThrough = (target: 'kafka' | 'postgres', one: Victim | undefined): boolean =>
  target === 'kafka' || one === undefined || one.name === 'relay';

async function healed(lines: readonly Line[]): Promise<number> {
  const hits = await Promise.all(lines.map((line) => line.heal()));
  return hits.reduce((sum, each) => sum + each, 0);
}

const atConsent = ({ toConsent }: World, fault: LinkFault): Fault => ({
  ...{ id: idOf(fault), how: `consent service: ${named(fault)}`, target: 'line-consent', lasts: times },
  async impose() {
    await toConsent.impose(fault);
    return { event: { what: whatOf(fault), target: 'consent' }, heal: () => toConsent.heal() };
  },
});

/** Between one instance of a connector and its partner. */
const atPartner = ({ tap, recipient }: Connector, fault: LinkFault): Fault => ({
  ...{ id: idOf(fault), how: `partner: ${named(fault)}`, target: `line-${tap.name}`, lasts: times },
  async impose() {
    await tap.impose(fault);
    return { event: { what: 'partner', target: `recipient:${recipient}` }, heal: () => tap.heal() };
  },
});
