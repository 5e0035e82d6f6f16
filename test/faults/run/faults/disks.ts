import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker } from '@entente/local';
import { monotonicMs } from '../clock.ts';
import { familyOf, limitFiles } from '../file-limit.ts';
import { lastWords } from '../last-words.ts';
import type { Recording } from '../recording.ts';
import type { RunDatabase } from '../run-database.ts';
import type { SmallDisk } from '../small-disk.ts';
import type { Connector, Victim, World } from '../world.ts';
import { second, type Fault } from './fault.ts';
import { kill, startAgain } from './processes.ts';

/** F13: "disk full for Postgres, Kafka log, connector store". Each is whole again when there is room, by nobody's hand. */
export function diskFaults(world: World, recording: Recording): Fault[] {
  const { smallDisk, database, limitsFiles, infrastructure, connectors, victims, directory } = world;
  const onIt = connectors.find(({ process }) => process.definition.env['GATE_DIR'] === smallDisk?.directory);
  const loggers = victims.filter(({ name }) => !connectors.some((connector) => connector.name === name));
  return [
    ...(limitsFiles ? loggers.map((victim) => logFull(victim, recording, directory)) : []),
    ...(smallDisk !== null && onIt !== undefined
      ? [storeFull(onIt, smallDisk, recording, directory), storeGone(onIt, smallDisk, recording, directory)]
      : []),
    ...(limitsFiles && database !== null ? [databaseFull(database)] : []),
    ...(limitsFiles ? infrastructure.kafka.brokers.map(brokerFull) : []),
  ];
}

/** Less than a log holds, bytes: whatever is said next is beyond. */
const logBytes = 4_096;

/** Nobody has to end because nobody can hear what it says. */
const logFull = (victim: Victim, recording: Recording, directory: string): Fault => ({
  ...{ id: 'F13', how: 'log cannot grow', target: victim.name, lasts: [2 * second, 8 * second] },
  async impose() {
    const { pid } = victim.process;
    if (pid === undefined) return null;
    await limitFiles([pid], logBytes);
    return {
      event: { what: 'disk', target: victim.name },
      async heal() {
        await limitFiles([pid], null);
        if (victim.process.pid === undefined) recording.crashed.push(await crashOf(victim, pid, directory));
        await startAgain(victim, recording);
      },
    };
  },
});

/** The gate must close: it may not go on from what it cannot keep. */
const storeFull = (connector: Connector, disk: SmallDisk, recording: Recording, directory: string): Fault => ({
  ...{ id: 'F13', how: 'gate’s disk full', target: connector.name, lasts: [2 * second, 8 * second] },
  async impose() {
    const { pid } = connector.process;
    if (pid === undefined) return null;
    const before = await complaints(connector);
    await disk.fill();
    return {
      event: { what: 'disk', target: connector.name, cutsProof: [connector.name] },
      async heal() {
        await disk.free();
        if (connector.process.pid === undefined) recording.crashed.push(await crashOf(connector, pid, directory));
        await startAgain(connector, recording);
        return (await complaints(connector)) - before;
      },
    };
  },
});

/** As after a lost volume: it has to seed where there is no room. */
const storeGone = (connector: Connector, disk: SmallDisk, recording: Recording, directory: string): Fault => ({
  ...{ id: 'F13', how: 'gate started without its store on a full disk', target: connector.name },
  lasts: [2 * second, 8 * second],
  async impose() {
    await kill(connector, recording);
    const before = await complaints(connector);
    const excuses = await times(connector.process.log, cannotStart);
    for (const name of await readdir(disk.directory)) await rm(join(disk.directory, name), { recursive: true });
    await disk.fill();
    await connector.process.start();
    const { pid } = connector.process;
    recording.add({ kind: 'process.started', at: monotonicMs(), process: connector.name });
    return {
      event: { what: 'disk', target: connector.name, cutsProof: [connector.name] },
      async heal() {
        await disk.free();
        // Without its database it may not start; nothing else excuses it.
        const excused = (await times(connector.process.log, cannotStart)) > excuses;
        if (connector.process.pid === undefined && !excused)
          recording.crashed.push(await crashOf(connector, pid, directory));
        await startAgain(connector, recording);
        return (await complaints(connector)) - before;
      },
    };
  },
});

/** What it died of: on a full disk its log may not have it. */
async function crashOf(
  { name, process: { lastEnd } }: Victim,
  pid: number | undefined,
  directory: string,
): Promise<string> {
  const words = pid === undefined ? null : await lastWords(directory, pid);
  return `${name} (${lastEnd ?? 'nobody saw how'}${words === null ? '' : `: ${words}`})`;
}

/** How often it has said that it cannot keep its replica. */
const complaints = ({ process: { log } }: Connector): Promise<number> =>
  times(log, /gate lost its local store|gate cannot use its directory/g);
const cannotStart = /the connector cannot start/g;
const noRoom = /File too large/g;

async function times(log: string | undefined, said: RegExp): Promise<number> {
  const text = log === undefined ? '' : await readFile(log, 'utf8');
  return (text.match(said) ?? []).length;
}

/** Far less than a segment of its log, or than most of its tables; bytes. */
const databaseBytes = 65_536;

const databaseFull = (database: RunDatabase): Fault => ({
  ...{ id: 'F13', how: 'database’s disk full', target: 'database', lasts: [2 * second, 5 * second] },
  async impose() {
    const { server } = database.primary;
    if (server.pid === undefined) return null;
    const before = await times(server.log, noRoom);
    // New backends have what the postmaster has.
    await limitFiles([server.pid], databaseBytes);
    await limitFiles(await familyOf(server.pid), databaseBytes);
    return {
      event: { what: 'disk', target: 'postgres' },
      async heal() {
        const { pid } = server;
        if (pid !== undefined) await limitFiles([pid], null);
        if (pid !== undefined) await limitFiles(await familyOf(pid), null);
        const struck = (await times(server.log, noRoom)) - before;
        if (server.pid !== undefined) return struck;
        // Without room for its log it ends itself, as it must, and may have none left to say so in.
        await server.start();
        return Math.max(1, struck);
      },
    };
  },
});

const brokerFull = (broker: Broker): Fault => ({
  ...{ id: 'F13', how: 'broker’s disk full', target: `broker-${broker.id}`, lasts: [2 * second, 8 * second] },
  async impose() {
    if (broker.pid === undefined) return null;
    await limitFiles([broker.pid], 1);
    return {
      event: { what: 'disk', target: 'kafka' },
      async heal() {
        // A broker whose only log directory fails ends itself.
        const ended = broker.pid === undefined;
        if (!ended) await broker.kill('SIGKILL');
        await broker.start();
        return ended ? 1 : 0;
      },
    };
  },
});
