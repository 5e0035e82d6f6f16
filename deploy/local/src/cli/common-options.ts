import type { Command } from 'commander';
import { connectionFromEnvironment } from './config.ts';
import type { ConnectionOptions } from './running-stack.ts';

export interface CommonOptions extends ConnectionOptions {
  readonly json?: boolean;
}

export const withConnection = (command: Command): Command =>
  command
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--ops-url <url>', 'ops service (ENTENTE_OPS_URL)')
    .option('--token <token>', 'bearer token (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout');

export const connection = (options: CommonOptions): ConnectionOptions => ({
  ...connectionFromEnvironment(),
  ...options,
});
