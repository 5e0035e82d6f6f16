import { createHash } from 'node:crypto';
import type { History } from '../faults/checker/history.ts';
import { defaultSettings } from '../faults/checker/history.ts';
import { dumpFinally } from './history/final-dump.ts';
import { catalogue, connectorNames, connectors } from './system/catalogue.ts';
import { Connector } from './system/connector.ts';
import { ConsentClient } from './system/consent-client.ts';
import { ConsentService } from './system/consent-service.ts';
import { Nemesis } from './system/nemesis.ts';
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
  for (const service of services) service.start();
  for (const connector of all) connector.start();
  const workload = new Workload(world, consent, all);
  const nemesis = new Nemesis(world, { services, connectors: all });
  world.scheduler.after(1_500, () => workload.run(workMs), null);
  world.scheduler.after(2_500, () => nemesis.run(workMs), null);
  world.scheduler.at(workMs, () => nemesis.heal(), null);
  await world.scheduler.runUntil(workMs + restMs);
  for (let more = 0; more < mostRests && !atRest(world); more += 1)
    await world.scheduler.runUntil(world.scheduler.now + moreRestMs);
  world.history.add({ kind: 'mark', at: world.scheduler.now, what: 'quiesced' });
  dumpFinally(world, all);
  world.history.add({ kind: 'mark', at: world.scheduler.now, what: 'end' });
  const { events } = world.history;
  const hash = createHash('sha256').update(JSON.stringify(events)).digest('hex').slice(0, 16);
  const { handled, now: virtualMs } = world.scheduler;
  return { history: { settings: { ...defaultSettings, clockResolutionMs: 0 }, events }, hash, handled, virtualMs };
}

/** Nothing waits to be published or revoked. */
function atRest({ server }: World): boolean {
  const schemas = ['consent', ...connectorNames];
  const pending = new Set(['due', 'claimed', 'waiting', 'unclear']);
  const rows = connectorNames.flatMap((name) => [...server.table(`${name}.delivery`).values()]);
  return (
    schemas.every((schema) => server.table(`${schema}.outbox`).size === 0) &&
    rows.every((row) => !pending.has(String(row['state'])))
  );
}
