import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readInfrastructureConfig, type InfrastructureConfig } from './config.ts';
import { dockerKafka, dockerPostgres, whyNoDocker } from './docker.ts';
import { givenKafka, givenPostgres, messageOf } from './given.ts';
import type { Infrastructure, InfrastructureOptions, KafkaProvided, PostgresProvided } from './infrastructure.ts';
import { nativeKafka } from './native-kafka.ts';
import { nativePostgres } from './native-postgres.ts';
import { Supervisor } from './supervisor.ts';

/** One start: what was asked for, and what has to be undone if it fails half-way. */
interface Start {
  config: InfrastructureConfig;
  options: InfrastructureOptions;
  say: (line: string) => void;
  supervisor: () => Promise<Supervisor>;
  /** Where data lives: the caller's directory, which stays, or the run directory, which goes. */
  home: string;
}

/**
 * Brings PostgreSQL and Kafka up, each on its own from the first that can be had: given by DATABASE_URL or
 * KAFKA_BOOTSTRAP, in Docker if an engine answers, else as processes of this machine (design.md §6).
 */
export async function startInfrastructure(options: InfrastructureOptions = {}): Promise<Infrastructure> {
  const config = readInfrastructureConfig(options.env);
  const runDirectory = join(config.temporary, `entente-run-${randomBytes(6).toString('hex')}`);
  let opening: Promise<Supervisor> | undefined;
  const start: Start = {
    config,
    options,
    say: options.say ?? (() => undefined),
    supervisor: () => (opening ??= Supervisor.open(runDirectory, 'shared')),
    home: options.dataDir === undefined ? runDirectory : resolve(options.dataDir),
  };
  // Before either half makes its own part: both run as other users below it.
  if (options.dataDir !== undefined) await mkdir(start.home, { recursive: true });
  const noDocker = config.databaseUrl && config.kafkaBootstrap ? undefined : await whyNoDocker(config.env);
  const halves = await Promise.allSettled([choosePostgres(start, noDocker), chooseKafka(start, noDocker)]);
  const stop = async (): Promise<void> => {
    const stops = halves.map((half) => (half.status === 'fulfilled' ? half.value.stop?.() : undefined));
    const ended = await Promise.allSettled([...stops, opening?.then((supervisor) => supervisor.finish())]);
    const failure = ended.find((result) => result.status === 'rejected');
    if (failure) throw failure.reason;
  };
  const [postgres, kafka] = halves;
  if (postgres.status === 'rejected' || kafka.status === 'rejected') {
    await stop();
    throw postgres.status === 'rejected' ? postgres.reason : (kafka as PromiseRejectedResult).reason;
  }
  return assemble(postgres.value, kafka.value, reason(config, noDocker), stop);
}

function assemble(
  postgres: PostgresProvided,
  kafka: KafkaProvided,
  why: string,
  stop: () => Promise<void>,
): Infrastructure {
  let stopping: Promise<void> | undefined;
  return {
    databaseUrl: postgres.databaseUrl,
    bootstrap: kafka.info.brokers.map(({ host, port }) => `${host}:${port}`),
    description: `${postgres.description}, ${kafka.description}${why}`,
    postgres: postgres.info,
    kafka: kafka.info,
    stop: () => (stopping ??= stop()),
  };
}

/** Why it was not the provider before: ": no DATABASE_URL or KAFKA_BOOTSTRAP given, no Docker engine answers". */
function reason(config: InfrastructureConfig, noDocker: string | undefined): string {
  const missing = [config.databaseUrl ? [] : ['DATABASE_URL'], config.kafkaBootstrap ? [] : ['KAFKA_BOOTSTRAP']].flat();
  if (missing.length === 0) return '';
  return `: no ${missing.join(' or ')} given, ${noDocker ?? 'a Docker engine answers'}`;
}

async function choosePostgres(start: Start, noDocker: string | undefined): Promise<PostgresProvided> {
  if (start.config.databaseUrl) return givenPostgres(start.config.databaseUrl);
  const walLevel = start.options.logicalReplication ? 'logical' : 'replica';
  if (noDocker === undefined) {
    const inDocker = await attempt(start, 'PostgreSQL', () => dockerPostgres(walLevel));
    if (inDocker) return inDocker;
  }
  return nativePostgres(await start.supervisor(), start.config, join(start.home, 'postgres'), walLevel);
}

async function chooseKafka(start: Start, noDocker: string | undefined): Promise<KafkaProvided> {
  if (start.config.kafkaBootstrap) return givenKafka(start.config.kafkaBootstrap);
  const { brokers = 1, login } = start.options;
  if (noDocker === undefined && login === undefined) {
    const inDocker = await attempt(start, 'Kafka', () => dockerKafka(brokers));
    if (inDocker) return inDocker;
  }
  const { say, config, home } = start;
  return nativeKafka(await start.supervisor(), config, join(home, 'kafka'), {
    brokers,
    advertise: start.options.advertise ?? [],
    login,
    say,
    kept: start.options.dataDir !== undefined,
  });
}

/** An engine that answers may still be unable to fetch or run the image; then the native server does. */
async function attempt<Provided>(
  start: Start,
  what: string,
  inDocker: () => Promise<Provided>,
): Promise<Provided | undefined> {
  try {
    return await inDocker();
  } catch (error) {
    start.say(`${what} did not start in Docker (${messageOf(error)}); starting it natively`);
    return undefined;
  }
}
