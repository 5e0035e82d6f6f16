import { loadConfig } from '@entente/config';
import { createKafka } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import { systemClock } from '@entente/observability';
import { ConsentConfig } from '../config.ts';
import type { RestoreReport } from './restore.ts';
import { runRestore } from './run.ts';

/** `entente restore`, in the environment of the consent service. */
export async function restoreCommand(
  env: NodeJS.ProcessEnv,
  options: { readonly dryRun: boolean; readonly replicas: readonly string[]; readonly log: Logger },
): Promise<RestoreReport> {
  const config = loadConfig(ConsentConfig, env);
  const kafka = createKafka({ clientId: 'consent-restore', ...config.kafka, log: options.log });
  try {
    return await runRestore({ ...options, config, kafka, clock: systemClock });
  } finally {
    await kafka.close();
  }
}
