import { markRestored } from '@entente/connector-runtime';
import type { Logger } from '@entente/observability';
import { connectorSchemas } from './migrations.ts';
import { builtFile } from './paths.ts';

/** What the consent service's restore answers; services are not packages, so it is loaded by path. */
export interface RestoreReport {
  readonly dryRun: boolean;
  readonly incarnation: number;
  readonly backupEnd: string | null;
  readonly lostChanges: number;
  readonly people: number;
  readonly erased: number;
  readonly linksToRepeat: readonly { readonly controller: string; readonly subjectKey: string }[];
  readonly catalogueChanges: number;
  readonly fromReplicas: number;
}

interface Built {
  readonly restoreCommand: (
    env: NodeJS.ProcessEnv,
    options: { readonly dryRun: boolean; readonly replicas: readonly string[]; readonly log: Logger },
  ) => Promise<RestoreReport>;
}

export async function restoreConsent(...given: Parameters<Built['restoreCommand']>): Promise<RestoreReport> {
  const built = (await import(builtFile('services/consent/dist/restore/command.js'))) as Built;
  return built.restoreCommand(...given);
}

/** DLV-7 for every connector that keeps its tables in one of these databases. @returns their schemas */
export async function markConnectors(databaseUrls: readonly string[]): Promise<string[]> {
  const marked: string[] = [];
  for (const url of databaseUrls)
    for (const schema of connectorSchemas) if (await markRestored(url, schema)) marked.push(schema);
  return marked;
}
