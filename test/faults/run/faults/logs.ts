import { setTimeout as pause } from 'node:timers/promises';
import { topics, topicSettings } from '@entente/contracts';
import { createPool } from '@entente/postgres';
import type { Ends } from '../../../e2e/foreign-client.ts';
import type { Random } from '../../../sim/engine/random.ts';
import { unlessOver } from '../clock.ts';
import type { Recording } from '../recording.ts';
import { asAdmin } from '../stranger.ts';
import type { Connector, Victim, World } from '../world.ts';
import { second, type Fault } from './fault.ts';
import { end, kill, startAgain } from './processes.ts';

/** Both logs of changes, of which a reader that comes too late finds nothing. */
const logs = [topics.revocations, topics.changes] as const;

/**
 * F16: "retention passes a dead connector; topic deleted and re-created; offsets reset". What is taken away was read before, so that the
 * evidence is whole, and is known to ops: it is the connector that comes too late, not whoever watches it.
 */
export const logFaults = (world: World, recording: Recording, random: Random): Fault[] => [
  retentionPassed(world, recording, random),
  lostLog(world),
  offsetsReset(world, recording, random),
];

const retentionPassed = (world: World, recording: Recording, random: Random): Fault => ({
  ...{ id: 'F16', how: 'retention passes a dead connector', target: 'log', lasts: [second / 2, 3 * second] },
  async impose(signal) {
    const services = [...Map.groupBy(world.connectors, ({ recipient }) => recipient).values()];
    const dead: readonly Victim[] = random.pick(services);
    for (const victim of dead) await kill(victim, recording);
    await unlessOver(random.between(2 * second, 6 * second), signal);
    const { ends, records } = await world.topics.read(logs);
    const known = await knownToOps(world);
    if (known) await passed(world, ends);
    return {
      event: { what: 'other', target: dead[0]?.name ?? '', cutsProof: dead.map(({ name }) => name) },
      async heal() {
        await Promise.all(dead.map((victim) => startAgain(victim, recording)));
        return known ? records : 0;
      },
    };
  },
});

/** How long ops may take to hear of what was committed by now; it may be cut off. */
const opsHearsWithinMs = 5 * second;

/** Whether the tracker has heard of every change that stood in the ledger at the call. */
async function knownToOps({ databaseUrl }: World): Promise<boolean> {
  const pool = createPool({ url: databaseUrl(), schema: 'public', name: 'fault-run', max: 1 });
  try {
    const { rows } = await pool.query<{ newest: string | null }>('SELECT max(id) AS newest FROM consent.ledger_entry');
    for (const until = performance.now() + opsHearsWithinMs; performance.now() < until; await pause(100)) {
      const { rows: unheard } = await pool.query(
        `SELECT FROM consent.ledger_entry e WHERE e.id <= $1 AND NOT EXISTS (
           SELECT FROM ops.change c WHERE c.controller = e.controller AND c.subject_key = e.subject_key AND c.version = e.version)
         LIMIT 1`,
        [rows[0]?.newest ?? 0],
      );
      if (unheard.length === 0) return true;
    }
    return false;
  } catch {
    // The database is another fault's just now: then nothing is taken away.
    return false;
  } finally {
    await pool.end();
  }
}

async function passed({ infrastructure }: World, ends: Ends): Promise<void> {
  await asAdmin(infrastructure.bootstrap, (admin) => admin.deleteRecords({ topics: byTopic(ends) }));
}

function byTopic(ends: Ends) {
  const places = [...ends].map(([place, offset]) => {
    const [name = '', partition] = place.split('/');
    return { name, partition: Number(partition), offset };
  });
  return [...Map.groupBy(places, ({ name }) => name)].map(([name, partitions]) => ({
    name,
    partitions: partitions.map(({ partition, offset }) => ({ partition, offset })),
  }));
}

/**
 * Its own positions stand in its database (DLV-1): what the brokers keep of its groups leads nobody back or past anything.
 * Whoever resets them has to stop it first.
 */
const offsetsReset = (
  { connectors, infrastructure, topics: reader }: World,
  recording: Recording,
  random: Random,
): Fault => ({
  ...{ id: 'F16', how: 'offsets of a connector’s groups reset', target: 'log', lasts: [0, 0] },
  async impose() {
    const stopped = random.pick([...Map.groupBy(connectors, ({ audience }) => audience).values()]);
    const [{ name, audience }] = stopped as [Connector];
    for (const victim of stopped) await end(victim, recording);
    const { ends } = await reader.read(logs);
    const toBeginning = random.chance(0.5);
    const isReset = await asAdmin(infrastructure.bootstrap, async (admin) => {
      for (const { name: topic, partitions } of byTopic(ends)) {
        const partitionOffsets = partitions.map((at) => (toBeginning ? { ...at, offset: 0n } : at));
        const groupId = `${audience}-connector.${topic}`;
        await admin.alterConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionOffsets }] });
      }
      return true;
    }).catch(() => false); // A group whose member was killed a moment ago still counts it: then nothing was struck.
    return {
      event: { what: 'other', target: name, cutsProof: stopped.map((victim) => victim.name) },
      async heal() {
        await Promise.all(stopped.map((victim) => startAgain(victim, recording)));
        return isReset ? logs.length : 0;
      },
    };
  },
});

/** Long enough for what the relay had sent when it was stopped. */
const settleMs = 500;
const madeWithinMs = 60 * second;

/** REL-5: the express lane is gone and made anew, empty; the relay must notice by the offsets it is given. */
const lostLog = ({ infrastructure, stack: { relay }, topics: reader }: World): Fault => ({
  ...{ id: 'F16', how: 'express log deleted and made again', target: 'log', lasts: [second / 2, 2 * second] },
  async impose() {
    // Nobody else writes to it: while the relay stands still, all there is can be read.
    await relay?.signal('SIGSTOP');
    await pause(settleMs);
    const { records } = await reader.read([topics.revocations]);
    await deletedAndMade(infrastructure.bootstrap, topics.revocations);
    reader.madeAnew(topics.revocations);
    return {
      event: { what: 'other', target: 'kafka', cutsProof: 'all' },
      async heal() {
        await relay?.signal('SIGCONT');
        return records;
      },
    };
  },
});

/** As `entente topics apply` makes it on three brokers; it is half done at no time that the run goes on from. */
async function deletedAndMade(bootstrap: readonly string[], topic: string): Promise<void> {
  const { partitions = 1, retentionMs = 0 } = topicSettings.find(({ name }) => name === topic) ?? {};
  const config = {
    'cleanup.policy': 'delete',
    'retention.ms': String(retentionMs),
    'message.timestamp.type': 'LogAppendTime',
    'min.insync.replicas': '2',
    'unclean.leader.election.enable': 'false',
  };
  await asAdmin(bootstrap, async (admin) => {
    await admin.deleteTopics({ topics: [topic] });
    for (const until = performance.now() + madeWithinMs; ; await pause(200)) {
      try {
        const configs = Object.entries(config).map(([name, value]) => ({ name, value }));
        await admin.createTopics({ topics: [topic], partitions, replicas: 3, configs });
        return;
      } catch (error) {
        // Brokers take a moment to forget the one before.
        if (performance.now() > until) throw error;
      }
    }
  });
}
