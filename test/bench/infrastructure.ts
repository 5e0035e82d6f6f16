import { startInfrastructure, type Infrastructure } from '@entente/local';

/** A Kafka and a Postgres of this run's own, stopped and removed at its end however it ends. */
export async function withInfrastructure<T>(
  say: (line: string) => void,
  work: (infrastructure: Infrastructure) => Promise<T>,
): Promise<T> {
  const infrastructure = await startInfrastructure({ say });
  try {
    return await work(infrastructure);
  } finally {
    await infrastructure.stop();
  }
}
