import { startInfrastructure, type Infrastructure, type InfrastructureOptions } from '@entente/local';

/** A Kafka and a Postgres of this run's own, stopped and removed at its end however it ends. */
export async function withInfrastructure<T>(
  say: (line: string) => void,
  work: (infrastructure: Infrastructure) => Promise<T>,
  options: Pick<InfrastructureOptions, 'logicalReplication'> = {},
): Promise<T> {
  const infrastructure = await startInfrastructure({ ...options, say });
  try {
    return await work(infrastructure);
  } finally {
    await infrastructure.stop();
  }
}
