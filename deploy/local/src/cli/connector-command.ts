import { recipientKinds } from '@entente/contracts';
import { Option, type Command } from 'commander';
import { CannotScaffold, newConnector } from '../scaffold/new-connector.ts';
import { repositoryFile } from '../stack/paths.ts';
import { exitCode } from './exit.ts';
import { result } from './output.ts';

export function registerConnector(program: Command): void {
  program
    .command('connector')
    .description('connectors of this repository')
    .command('new <name>')
    .description('writes a connector with its contract server; docs/write-a-connector.md goes on from there')
    .addOption(new Option('--kind <kind>', 'what the partner is').choices(recipientKinds).makeOptionMandatory())
    .option('--json', 'one line of JSON on stdout')
    .action(async (name: string, options: { kind: (typeof recipientKinds)[number]; json?: boolean }) => {
      try {
        const files = await newConnector({ root: repositoryFile(''), name, kind: options.kind });
        result({ name, kind: options.kind, files }, options, () => files.join('\n'));
      } catch (error) {
        if (!(error instanceof CannotScaffold)) throw error;
        process.stderr.write(`entente: ${error.message}\n`);
        process.exitCode = exitCode.usage;
      }
    });
}
