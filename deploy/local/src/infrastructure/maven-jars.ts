import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cached } from './cache.ts';
import { readInfrastructureConfig, type InfrastructureConfig } from './config.ts';
import { InfrastructureError } from './infrastructure.ts';
import type { Supervisor } from './supervisor.ts';

const execute = promisify(execFile);
const pom = fileURLToPath(new URL('../../kafka/pom.xml', import.meta.url));
export const log4jConfiguration = fileURLToPath(new URL('../../kafka/log4j2.properties', import.meta.url));
/** Kafka 4 brokers need it (Apache Kafka 4.2, "Compatibility"). */
const oldestJava = 17;

/** The major version in the answer of `java -version`: 17 for "17.0.15", 8 for "1.8.0_392". */
export function javaMajor(answer: string): number | undefined {
  const found = /version "(?:1\.)?(\d+)/.exec(answer)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** @returns what this Java says of its version */
export async function checkJava({ java, env }: InfrastructureConfig): Promise<string> {
  const remedy = 'install openjdk-17-jre-headless or newer, start Docker, or set KAFKA_BOOTSTRAP';
  const answer = await execute(java, ['-version'], { env }).catch(() => undefined);
  const said = answer && answer.stderr + answer.stdout;
  const major = said === undefined ? undefined : javaMajor(said);
  if (said === undefined || major === undefined)
    throw new InfrastructureError(`Java ${oldestJava}+ not found: ${remedy}`);
  if (major < oldestJava) throw new InfrastructureError(`Java ${major} found, Kafka needs ${oldestJava}+: ${remedy}`);
  return said;
}

export interface KafkaJars {
  /** In a stable order. */
  classPath: string;
  version: string;
  /** Of pom.xml: names what the cache holds for these jars. */
  hash: string;
}

/** The broker's jars, resolved by Maven once per content of pom.xml. */
export async function kafkaJars(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  say: (line: string) => void,
): Promise<KafkaJars> {
  const kafka = { name: 'kafka', pom, what: "Apache Kafka's jars (45 MB)" };
  const { directory, jars, hash } = await mavenJars(supervisor, config, kafka, say);
  const version = jars.map((name) => /^kafka_[\d.]+-(.+)\.jar$/.exec(name)?.[1]).find((found) => found !== undefined);
  if (version === undefined) throw new InfrastructureError(`no kafka jar in ${directory}: remove it and start again`);
  return { classPath: jars.map((name) => join(directory, name)).join(':'), version, hash };
}

/** What a pom.xml names, to be run by Java. */
interface JavaProgram {
  /** Of its directory in the cache. */
  readonly name: string;
  readonly pom: string;
  /** For people, while it is fetched. */
  readonly what: string;
}

/** A Java program beside the broker, with the same Java, the same cache and the same logging. */
export async function javaCommand(
  supervisor: Supervisor,
  program: JavaProgram,
  say: (line: string) => void,
): Promise<{ readonly command: string; readonly args: readonly string[] }> {
  const config = readInfrastructureConfig();
  await checkJava(config);
  const { directory, jars } = await mavenJars(supervisor, config, program, say);
  const classPath = jars.map((name) => join(directory, name)).join(':');
  return { command: config.java, args: [`-Dlog4j2.configurationFile=${log4jConfiguration}`, '-cp', classPath] };
}

async function mavenJars(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  program: JavaProgram,
  say: (line: string) => void,
): Promise<{ directory: string; jars: readonly string[]; hash: string }> {
  const source = await readFile(program.pom);
  const hash = createHash('sha256').update(source).digest('hex').slice(0, 12);
  const directory = await cached(config.cache, `${program.name}-${hash}`, (staging) =>
    fetchJars(supervisor, config, { ...program, staging }, say),
  );
  const jars = (await readdir(directory)).filter((name) => name.endsWith('.jar')).toSorted();
  return { directory, jars, hash };
}

async function fetchJars(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  { pom: source, what, staging }: JavaProgram & { readonly staging: string },
  say: (line: string) => void,
): Promise<void> {
  const remedy = 'install maven, start Docker, or set KAFKA_BOOTSTRAP';
  await execute('mvn', ['-version'], { env: config.env }).catch(() => {
    throw new InfrastructureError(`Maven not found, which fetches ${what}: ${remedy}`);
  });
  say(`fetching ${what} with Maven, once`);
  await supervisor.runToEnd({
    name: 'maven',
    command: 'mvn',
    args: [
      ...['--batch-mode', '--quiet', '-f', source, 'dependency:copy-dependencies'],
      ...['-DincludeScope=runtime', `-DoutputDirectory=${staging}`],
    ],
    env: config.env,
  });
}
