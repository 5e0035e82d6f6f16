import pg from 'pg';
import { InfrastructureError, type Broker, type KafkaProvided, type PostgresProvided } from './infrastructure.ts';
import { describeBrokers } from './kafka-metadata.ts';
import { postgresVersionFault } from './postgres-version.ts';

/** The server of DATABASE_URL, if it answers and is new enough. */
export async function givenPostgres(databaseUrl: string): Promise<PostgresProvided> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ number: string; version: string }>(
      `select current_setting('server_version_num') number, current_setting('server_version') version`,
    );
    const { number, version } = rows[0] as { number: string; version: string };
    const fault = postgresVersionFault(Number(number), version);
    if (fault) throw new InfrastructureError(fault);
    return { databaseUrl, info: { version }, description: `PostgreSQL ${version} given by DATABASE_URL` };
  } catch (error) {
    if (error instanceof InfrastructureError) throw error;
    throw new InfrastructureError(`DATABASE_URL does not answer (${messageOf(error)}): correct it, or unset it`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The cluster of KAFKA_BOOTSTRAP: the first of its addresses that answers names the brokers. */
export async function givenKafka(bootstrap: readonly string[]): Promise<KafkaProvided> {
  const faults: string[] = [];
  for (const address of bootstrap) {
    const split = address.lastIndexOf(':');
    try {
      const brokers = await describeBrokers(address.slice(0, split), Number(address.slice(split + 1)), 5_000);
      return {
        info: {
          version: 'of KAFKA_BOOTSTRAP',
          brokers: brokers.map((broker) => ({ ...broker, ...notOurs(broker.id) })),
        },
        description: `Apache Kafka given by KAFKA_BOOTSTRAP, ${brokers.length === 1 ? '1 broker' : `${brokers.length} brokers`}`,
      };
    } catch (error) {
      faults.push(messageOf(error));
    }
  }
  throw new InfrastructureError(`KAFKA_BOOTSTRAP does not answer (${faults.join('; ')}): correct it, or unset it`);
}

function notOurs(id: number): Pick<Broker, 'kill' | 'start'> {
  const refuse = (): Promise<never> =>
    Promise.reject(
      new InfrastructureError(`broker ${id} was given by KAFKA_BOOTSTRAP and is not ours to kill or start`),
    );
  return { kill: refuse, start: refuse };
}

export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
