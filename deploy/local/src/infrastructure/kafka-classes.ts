import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@entente/observability';
import { cached } from './cache.ts';
import type { InfrastructureConfig } from './config.ts';
import { brokerCommand, startedLine } from './kafka-command.ts';
import { formatNode } from './kafka-format.ts';
import { kafkaProperties, type BrokerPlace } from './kafka-properties.ts';
import type { KafkaJars } from './maven-jars.ts';
import { freePorts } from './ports.ts';
import type { Server, Supervisor } from './supervisor.ts';

const archiveFile = 'broker.jsa';
/** A broker that does not start and end in this time will not be waited for by every later start either. */
const rehearsalMs = 60_000;

/**
 * The broker's classes as this Java lays them out in memory (JEP 350, dynamic class data sharing), made once per version of
 * the jars and of Java by starting and ending a broker: every later start takes half the processor time (2.5 s -> 1.3 s).
 * @param java what it says of its version: an archive is good for exactly one build of it
 * @returns undefined where this Java makes none; a broker then starts without
 */
export async function classArchive(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  jars: KafkaJars,
  template: string,
  java: string,
): Promise<string | undefined> {
  const build = createHash('sha256').update(java).digest('hex').slice(0, 12);
  // What stays empty says that it was tried.
  const entry = await cached(config.cache, `kafka-${jars.hash}-classes-${build}`, (staging) =>
    rehearse(supervisor, config, jars, template, staging),
  );
  const archive = join(entry, archiveFile);
  return existsSync(archive) ? archive : undefined;
}

async function rehearse(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  { classPath }: KafkaJars,
  template: string,
  staging: string,
): Promise<void> {
  const home = join(staging, 'rehearsal');
  await mkdir(home);
  const [port, controllerPort] = (await freePorts(2)) as [number, number];
  const place: BrokerPlace = { id: 1, port, controllerPort, logDirectory: join(home, 'n1') };
  await formatNode(template, home, place);
  const properties = join(home, 'n1.properties');
  await writeFile(properties, kafkaProperties(place, [place]));
  const made = join(home, archiveFile);
  const server = await supervisor.run({
    ...{ name: 'kafka-classes', command: config.java, env: config.env, stop: 'SIGKILL', abandon: 'SIGKILL' },
    args: brokerCommand({ classPath, properties, java: [`-XX:ArchiveClassesAtExit=${made}`] }),
  });
  await startAndEnd(server);
  if (existsSync(made)) await copyFile(made, join(staging, archiveFile));
  await rm(home, { recursive: true });
}

/** Java writes the archive at an orderly end; one that is overdue has its time to write it, and no more. */
async function startAndEnd(server: Server): Promise<void> {
  const started = async (): Promise<boolean> => (await readFile(server.log, 'utf8')).includes(startedLine);
  await untilEnded(server, started);
  server.signal('SIGTERM');
  await untilEnded(server, () => Promise.resolve(false));
  server.signal('SIGKILL');
  await server.exited;
}

/** Until it has ended, `orElse` holds, or its time is over. */
async function untilEnded(server: Server, orElse: () => Promise<boolean>): Promise<void> {
  let running = true;
  void server.exited.then(() => (running = false));
  const deadline = systemClock.monotonic() + rehearsalMs;
  while (running && systemClock.monotonic() < deadline && !(await orElse())) await pause(50);
}
