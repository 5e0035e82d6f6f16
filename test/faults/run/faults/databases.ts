import { readLostChanges } from '../evidence/lost-changes.ts';
import type { LinkFault } from '../lines/link-fault.ts';
import type { Recording } from '../recording.ts';
import type { Primary, RunDatabase } from '../run-database.ts';
import type { World } from '../world.ts';
import { second, type Fault } from './fault.ts';

/** No commit is answered, and no pass of the relay gets through. */
const gone = { target: 'postgres', cutsProof: 'all' } as const;
const target = 'database';
const times: readonly [number, number] = [second / 2, 4 * second];

/**
 * F4: "Postgres kill -9, restart, disk-slow, failover to sync standby, old primary still up". The standby acknowledges every
 * commit, so its delay is a slow disk's: whoever commits waits for it.
 */
export function databaseFaults({ database }: World, recording: Recording): Fault[] {
  if (database === null) return [];
  return [
    restarted(database, 'SIGKILL', 'database kill -9'),
    restarted(database, 'SIGINT', 'database restarted in order'),
    failedOver(database, recording),
    deposedAlive(database, recording),
    slow(database, 'disk of 20 flushes a second', { kind: 'slow', way: 'there', latencyMs: 50, jitterMs: 0 }),
    slow(database, 'disk of 4 flushes a second', { kind: 'slow', way: 'there', latencyMs: 250, jitterMs: 0 }),
    slow(database, 'disk that hangs', { kind: 'half-open' }),
  ];
}

const restarted = (database: RunDatabase, signal: NodeJS.Signals, how: string): Fault => ({
  ...{ id: 'F4', how, target, lasts: times },
  async impose() {
    const { server } = database.primary;
    await server.kill(signal);
    return { event: { what: 'kill', ...gone }, heal: () => server.start() };
  },
});

/** Whoever promotes a standby first makes sure that the primary is dead. */
const failedOver = (database: RunDatabase, recording: Recording): Fault => ({
  ...{ id: 'F4', how: 'failover to the standby', target, lasts: times },
  async impose() {
    if (!database.hasStandby) return null;
    const deposed = database.primary;
    await deposed.server.kill('SIGKILL');
    return {
      event: { what: 'kill', ...gone },
      async heal() {
        await database.promote();
        database.toPrimary.reset();
        await tookOver(database, deposed, recording);
      },
    };
  },
});

/** New connections find the new primary; those that stay on the old one must not be answered a commit by it. */
const deposedAlive = (database: RunDatabase, recording: Recording): Fault => ({
  ...{ id: 'F4', how: 'failover while the old primary is up', target, lasts: times },
  async impose() {
    if (!database.hasStandby) return null;
    const deposed = database.primary;
    await database.promote();
    return {
      event: { what: 'other', target: 'postgres' },
      async heal() {
        await deposed.server.kill('SIGKILL');
        await tookOver(database, deposed, recording);
      },
    };
  },
});

async function tookOver(database: RunDatabase, deposed: Primary, recording: Recording): Promise<void> {
  await database.addStandby();
  // Nobody is led to it any more: what it alone holds was never answered, and is evidence.
  await deposed.server.start();
  recording.add(...(await readLostChanges(deposed.url, database.primary.url)));
  await deposed.server.kill('SIGKILL');
}

const slow = (database: RunDatabase, how: string, fault: LinkFault): Fault => ({
  ...{ id: 'F4', how, target, lasts: [2 * second, 6 * second] },
  async impose() {
    if (!database.hasStandby) return null;
    await database.toReplicate.impose(fault);
    return { event: { what: 'disk', target: 'postgres' }, heal: () => database.toReplicate.heal() };
  },
});
