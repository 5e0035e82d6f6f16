import { setTimeout as pause } from 'node:timers/promises';
import { AssignerProtocol, Kafka, logLevel } from 'kafkajs';
import type { Random } from '../../../sim/engine/random.ts';
import { unlessOver } from '../clock.ts';
import type { World } from '../world.ts';
import { second, type Fault } from './fault.ts';

/** Between a strange member's joining and its leaving, milliseconds: each is a rebalance of the whole group. */
const staysMs: readonly [number, number] = [second, 3 * second];

/** F14: somebody else joins a consumer group, is given partitions, reads nothing of use, leaves and comes back. */
export const groupFaults = ({ infrastructure }: World, random: Random): Fault[] => [
  {
    ...{ id: 'F14', how: 'a strange member comes and goes', target: 'group', lasts: [8 * second, 20 * second] },
    async impose() {
      const kafka = new Kafka({
        clientId: 'strange-member',
        brokers: [...infrastructure.bootstrap],
        logLevel: logLevel.NOTHING,
      });
      const groups = await groupsAtWork(kafka);
      if (groups.length === 0) return null;
      const group = random.pick(groups);
      const leaving = new AbortController();
      const storm = comeAndGo(kafka, group, random, leaving.signal);
      return {
        event: { what: 'other', target: group.groupId },
        heal: () => {
          leaving.abort();
          return Promise.race([storm, pause(leavesWithinMs)]);
        },
      };
    },
  },
];

/** A client that was cut off while it took its leave may wait for an answer for ever; its brokers do not. Milliseconds. */
const leavesWithinMs = 60 * second;

interface Group {
  readonly groupId: string;
  readonly topics: readonly string[];
}

/** None where another fault keeps the brokers from telling. */
async function groupsAtWork(kafka: Kafka): Promise<readonly Group[]> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const known = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
    const { groups } = await admin.describeGroups(known);
    return groups.flatMap(({ groupId, state, members: [member] }): Group[] => {
      // While it rebalances, a group does not know what its members read.
      const topics =
        member && state === 'Stable' && AssignerProtocol.MemberMetadata.decode(member.memberMetadata)?.topics;
      return topics ? [{ groupId, topics }] : [];
    });
  } catch {
    return [];
  } finally {
    await gone(admin);
  }
}

/** @returns how often it joined */
async function comeAndGo(
  kafka: Kafka,
  { groupId, topics }: Group,
  random: Random,
  signal: AbortSignal,
): Promise<number> {
  let joins = 0;
  while (!signal.aborted) {
    // It never comes back by itself: one that nobody holds any more would keep its partitions to the end of the run.
    const consumer = kafka.consumer({ groupId, retry: { restartOnFailure: () => Promise.resolve(false) } });
    consumer.on(consumer.events.GROUP_JOIN, () => {
      joins += 1;
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...topics] });
      await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
      await unlessOver(random.between(...staysMs), signal);
    } catch {
      // Another fault has taken its broker: a member that goes without a word is a storm too. What counts is how often it joined.
      await unlessOver(staysMs[0], signal);
    } finally {
      await gone(consumer);
    }
  }
  return joins;
}

/** Where its broker was taken from it there is nobody left to take leave of. */
const gone = (client: { disconnect(): Promise<void> }): Promise<void> => client.disconnect().catch(() => undefined);
