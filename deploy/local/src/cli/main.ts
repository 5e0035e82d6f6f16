import { Command, CommanderError } from 'commander';
import { registerCanary } from './canary-commands.ts';
import { registerCatalogue } from './catalogue-command.ts';
import { registerConsole } from './console-commands.ts';
import { registerData } from './data-commands.ts';
import { registerEvidence } from './evidence-commands.ts';
import { registerExport } from './export-command.ts';
import { registerImport } from './import-command.ts';
import { registerCheck } from './check-command.ts';
import { registerConnector } from './connector-command.ts';
import { exitCode, failure } from './exit.ts';
import { registerIssuer } from './issuer-command.ts';
import { registerLedger } from './ledger-commands.ts';
import { registerOperations } from './operation-commands.ts';
import { registerReconcile } from './reconcile-command.ts';
import { registerReceipts } from './receipt-commands.ts';
import { registerRestore } from './restore-command.ts';
import { registerStack } from './stack-commands.ts';
import { registerUnreadable } from './unreadable-commands.ts';

const program = new Command('entente')
  .description('Records consent, propagates withdrawals, and shows where each has arrived.')
  .showHelpAfterError()
  // An option after the name of a subcommand is the subcommand's.
  .enablePositionalOptions()
  .exitOverride()
  .configureOutput({ writeOut: (text) => process.stdout.write(text), writeErr: (text) => process.stderr.write(text) });
registerStack(program);
registerOperations(program);
registerData(program);
registerCheck(program);
registerImport(program);
registerExport(program);
registerCatalogue(program);
registerConsole(program);
registerUnreadable(program);
registerCanary(program);
registerIssuer(program);
registerLedger(program);
registerReceipts(program);
registerEvidence(program);
registerConnector(program);
registerReconcile(program);
registerRestore(program);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  else process.exitCode = failure(error);
}
