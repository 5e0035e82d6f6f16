import type { Random } from '../../../sim/engine/random.ts';
import type { Nemesis } from '../../checker/index.ts';
import type { LinkFault } from '../lines/link-fault.ts';
import type { TcpProxy } from '../tcp-proxy.ts';
import type { Connector, Victim, World } from '../world.ts';
import { second, type Fault, type Imposed } from './fault.ts';
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
    [...cuts, ...troubles, corruption].map((fault) => atPartner(world, connector, fault)),
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
  proxies: readonly TcpProxy[],
  victims: readonly Victim[],
  random: Random,
): Fault[] =>
  [...cuts, ...troubles].flatMap((fault) =>
    (['all', 'one'] as const).map((whose) => ({
      ...{ id: idOf(fault), target: `line-${target}`, lasts: times },
      how: `${target}: ${named(fault)}${whose === 'one' ? ' for one process' : ''}`,
      impose() {
        const one = whose === 'one' ? random.pick(victims) : undefined;
        const struck = one !== undefined || random.chance(0.4) ? proxies : [random.pick(proxies)];
        const instance = one?.process.definition.env['INSTANCE'];
        for (const proxy of struck) proxy.impose(instance === undefined ? fault : { ...fault, only: instance });
        const isDead = whatOf(fault) === 'cut' && struck.length === proxies.length;
        const cutsProof = one === undefined ? ('all' as const) : cutBy(one.name);
        return Promise.resolve<Imposed>({
          event: { what: whatOf(fault), target, ...(isDead && provesThrough(target, one) ? { cutsProof } : {}) },
          heal: () => Promise.resolve(healed(struck)),
        });
      },
    })),
  );

/** A gate needs no database for its lease; the relay needs one for every watermark. */
const provesThrough = (target: 'kafka' | 'postgres', one: Victim | undefined): boolean =>
  target === 'kafka' || one === undefined || one.name === 'relay';

function healed(proxies: readonly TcpProxy[]): number {
  for (const proxy of proxies) proxy.heal();
  return proxies.reduce((sum, { hits }) => sum + hits, 0);
}

const atConsent = ({ toConsent }: World, fault: LinkFault): Fault => ({
  ...{ id: idOf(fault), how: `consent service: ${named(fault)}`, target: 'line-consent', lasts: times },
  impose() {
    toConsent.impose(fault);
    return Promise.resolve<Imposed>({
      event: { what: whatOf(fault), target: 'consent' },
      heal: () => Promise.resolve(healed([toConsent])),
    });
  },
});

/** Between one instance of a connector and its partner. */
const atPartner = ({ tap }: World, connector: Connector, fault: LinkFault): Fault => ({
  ...{ id: idOf(fault), how: `partner: ${named(fault)}`, target: `line-${connector.tap}`, lasts: times },
  async impose() {
    await tap.impose(connector.tap, fault);
    return {
      event: { what: 'partner', target: `recipient:${connector.recipient}` },
      heal: () => tap.heal(connector.tap),
    };
  },
});
