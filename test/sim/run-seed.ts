import type { History, HistoryEvent } from '../faults/checker/history.ts';
import { defaultSettings } from '../faults/checker/history.ts';
import { dumpFinally } from './history/final-dump.ts';
import { catalogue, connectorNames, connectors } from './system/catalogue.ts';
import { Connector } from './system/connector.ts';
import { ConsentClient } from './system/consent-client.ts';
import { ConsentService } from './system/consent-service.ts';
import { Nemesis } from './system/nemesis.ts';
import { Operator } from './system/operator.ts';
import { SimPartner } from './system/partner.ts';
import { Workload } from './system/workload.ts';
import { World, type WorldOptions } from './system/world.ts';

/** Virtual milliseconds of one seed: work and faults, then healing and rest. */
export const workMs = 28_000;
export const restMs = 12_000;
/** Backoff after faults may be long: so much more rest, so many times, until nothing is under way. */
const moreRestMs = 5_000;
const mostRests = 16;

export interface SeedRun {
  readonly history: History;
  /** The same for the same seed, code and mutation. */
  readonly hash: string;
  /** Events handled. */
  readonly handled: number;
  readonly virtualMs: number;
}

export async function runSeed(options: WorldOptions): Promise<SeedRun> {
  const world = new World(options);
  world.server.table('consent.catalogue').set('one', { number: 1, controller: 'acme', document: catalogue });
  world.mutations.database(world.server);
  const services = ['consent-1', 'consent-2'].map((name) => new ConsentService(world, name));
  const consent = new ConsentClient(world, services);
  const partners = world.random('partners');
  const all = connectorNames.map(
    (name) => new Connector(world, name, new SimPartner(world, connectors[name].recipient, partners), consent),
  );
  // Who grants something is at the preloaded recipients before anybody shares them.
  world.history.onFirst = (subject, after) => {
    for (const { name, partner } of all)
      if (connectors[name].preloaded)
        partner.preload(
          subject,
          connectors[name].purposes.filter((p) => after[p]?.granted),
        );
  };
  for (const service of services) service.start();
  for (const connector of all) connector.start();
  const workload = new Workload(world, consent, all);
  const operator = new Operator(world);
  const nemesis = new Nemesis(world, { services, connectors: all, operator });
  world.scheduler.after(1_500, () => workload.run(workMs), null);
  world.scheduler.after(2_500, () => nemesis.run(workMs), null);
  world.scheduler.at(workMs, () => nemesis.heal(), null);
  await world.scheduler.runUntil(workMs + restMs);
  for (let more = 0; more < mostRests && (operator.isBusy || !atRest(world, all)); more += 1)
    await world.scheduler.runUntil(world.scheduler.now + moreRestMs);
  world.history.add({ kind: 'mark', at: world.scheduler.now, what: 'quiesced' });
  dumpFinally(world, all);
  world.history.add({ kind: 'mark', at: world.scheduler.now, what: 'end' });
  const { events } = world.history;
  const hash = fingerprint(events);
  const { handled, now: virtualMs } = world.scheduler;
  return { history: { settings: { ...defaultSettings, clockResolutionMs: 0 }, events }, hash, handled, virtualMs };
}

/**
 * What happened, in which order, and when to the last bit of virtual time: each of them hangs on every number drawn before it.
 * The whole history as text would cost as much as a tenth of the run.
 */
function fingerprint(events: readonly HistoryEvent[]): string {
  const instant = new Float64Array(1);
  const bits = new Uint32Array(instant.buffer);
  let [high, low] = [0x811c9dc5, 0x9747b28c];
  const mix = (value: number): void => {
    low = Math.imul(low ^ value, 0x01000193);
    high = Math.imul(high + low, 0x5bd1e995) ^ (high >>> 15);
  };
  for (const { at, kind } of events) {
    instant[0] = at;
    mix(bits[0] ?? 0);
    mix(bits[1] ?? 0);
    for (let index = 0; index < kind.length; index += 1) mix(kind.charCodeAt(index));
  }
  return [high, low].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
}

/** Nothing waits to be published, numbered or revoked, and no gate for its replica. */
function atRest({ server }: World, all: readonly Connector[]): boolean {
  const schemas = ['consent', ...connectorNames];
  const pending = new Set(['due', 'claimed', 'waiting', 'unclear']);
  const rows = connectorNames.flatMap((name) => [...server.table(`${name}.delivery`).values()]);
  return (
    schemas.every((schema) => server.table(`${schema}.outbox`).size === 0) &&
    server.table('consent.ledger_pending').size === 0 &&
    all.every(({ gate }) => gate?.status().seeded ?? true) &&
    rows.every((row) => !pending.has(String(row['state'])))
  );
}
