import type { Command } from 'commander';
import { createLogger } from '@entente/observability';
import { markConnectors, restoreConsent, type RestoreReport } from '../stack/restore.ts';
import { serviceEnvironment } from './config.ts';
import { result } from './output.ts';

interface RestoreOptions {
  readonly dryRun?: boolean;
  readonly replica?: readonly string[];
  readonly connectorDatabaseUrl?: readonly string[];
  readonly json?: boolean;
}

const log = createLogger({ service: 'entente', level: 'warn', destination: process.stderr });

export function registerRestore(program: Command): void {
  program
    .command('restore')
    .description(
      'after a restore or a failover that lost changes: takes them back from Kafka, then lets the gates open; ' +
        'runs in the environment of the consent service',
    )
    .option('--dry-run', 'tell what is lost and change nothing')
    .option('--replica <directory...>', 'GATE_DIR of stopped gates, where the logs begin after the backup ends')
    .option('--connector-database-url <url...>', 'connectors’ databases that were restored too; default: DATABASE_URL')
    .option('--json', 'one line of JSON on stdout')
    .action(async (options: RestoreOptions) => {
      const env = serviceEnvironment();
      const dryRun = options.dryRun ?? false;
      const report = await restoreConsent(env, { dryRun, replicas: options.replica ?? [], log });
      const lost = report.lostChanges + report.fromReplicas > 0 ? [env['DATABASE_URL'] ?? ''] : [];
      const connectors = dryRun ? [] : await markConnectors(options.connectorDatabaseUrl ?? lost);
      result({ ...report, connectors }, options, () => linesOf(report, connectors).join('\n'));
    });
}

const linesOf = (report: RestoreReport, connectors: readonly string[]): string[] => [
  `${report.lostChanges} changes of ${report.people} people were lost after ${report.backupEnd ?? 'the beginning'}` +
    `, and ${report.catalogueChanges} of the catalogue`,
  ...(report.fromReplicas > 0 ? [`${report.fromReplicas} people were taken from gates’ replicas`] : []),
  ...(report.erased > 0 ? [`${report.erased} of them had been erased`] : []),
  ...report.linksToRepeat.map(({ controller, subjectKey }) => `to be linked again: ${controller} ${subjectKey}`),
  ...(connectors.length > 0 ? [`count every recipient as preloaded from now on: ${connectors.join(', ')}`] : []),
  report.dryRun
    ? 'nothing was changed'
    : `versions go on in incarnation ${report.incarnation}; the relay opens within seconds`,
];
