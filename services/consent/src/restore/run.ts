import { parseKeyRing } from '@entente/contracts';
import { readStoredReplica } from '@entente/gate';
import type { Kafka } from '@entente/kafka';
import { createMetrics } from '@entente/observability';
import type { Clock, Logger } from '@entente/observability';
import { createPool } from '@entente/postgres';
import { CatalogueCache } from '../catalogue/catalogue-store.ts';
import { parseKeyRings } from '../config.ts';
import type { ConsentConfig } from '../config.ts';
import { pseudonymsWith } from '../erasure/pseudonyms.ts';
import { parseSubjectHashKeys } from '../identifiers/subject-hash-keys.ts';
import { IncarnationCheck } from '../ledger/incarnation.ts';
import { Ledger } from '../ledger/ledger.ts';
import { writerPool } from '../ledger/recorder.ts';
import { CONSENT_SCHEMA } from '../migrations/schema.ts';
import { restore } from './restore.ts';
import type { RestoreReport } from './restore.ts';

/** A page of ten thousand changes is looked up in one statement. */
const statementTimeoutMs = 60_000;

/** What of the consent service's configuration a restore needs. */
type RestoreConfig = Pick<ConsentConfig, 'databaseUrl' | 'identifierKeys' | 'audienceKeys' | 'subjectHashKeys'>;

export interface RunRestoreOptions {
  readonly config: Readonly<RestoreConfig>;
  readonly kafka: Kafka;
  readonly dryRun: boolean;
  /** Directories of stopped gates. */
  readonly replicas: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Opens what a restore works with, and closes it behind it. */
export async function runRestore(options: RunRestoreOptions): Promise<RestoreReport> {
  const { config, kafka, dryRun, replicas, clock, log } = options;
  const { databaseUrl } = config;
  const stored = replicas.map(readStoredReplica);
  const writers = writerPool('restore', { databaseUrl, instance: 'restore', log, max: 1 });
  const pool = createPool({
    ...{ url: databaseUrl, schema: CONSENT_SCHEMA, name: 'consent-restore-read', max: 2, statementTimeoutMs },
    settings: { synchronous_commit: 'on' },
  });
  const ledger = new Ledger({
    ...{
      catalogues: new CatalogueCache(),
      incarnation: new IncarnationCheck(log),
      clock,
      log,
      metrics: createMetrics(),
    },
    identifierKeys: parseKeyRing(config.identifierKeys),
    audienceKeys: parseKeyRings(config.audienceKeys),
    pseudonyms: pseudonymsWith(parseSubjectHashKeys(config.subjectHashKeys)),
  });
  try {
    return await restore({ pool, writers, kafka, ledger, clock, log }, { dryRun, replicas: stored });
  } finally {
    await Promise.all([pool.end(), writers.end(), ...stored.map((replica) => replica.close())]);
  }
}
