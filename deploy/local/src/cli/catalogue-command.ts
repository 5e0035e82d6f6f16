import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { starterCatalogue } from '../stack/starter-catalogue.ts';
import { connectionFromEnvironment } from './config.ts';
import { result } from './output.ts';
import { connect, type ConnectionOptions } from './running-stack.ts';
import { UnusableFile } from '../client/people-file.ts';

export function registerCatalogue(program: Command): void {
  program
    .command('catalogue')
    .description('the purposes, notices and recipients people decide about')
    .command('apply [file]')
    .description('makes one catalogue change of a JSON file, by default of the starter catalogue; safe to repeat')
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--ops-url <url>', 'ops service (ENTENTE_OPS_URL)')
    .option('--token <token>', 'bearer token (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout')
    .action(async (file: string | undefined, options: ConnectionOptions & { json?: boolean }) => {
      const client = await connect({ ...connectionFromEnvironment(), ...options });
      const change = file === undefined ? starterCatalogue : await readChange(file);
      const applied = (await client.changeCatalogue(change)) as { readonly number?: number };
      result(applied, options, () => `the catalogue stands at number ${applied.number ?? 'unknown'}`);
    });
}

async function readChange(file: string): Promise<object> {
  const text = await readFile(file, 'utf8');
  try {
    return JSON.parse(text) as object;
  } catch (cause) {
    throw new UnusableFile(`${file} is not JSON`, { cause });
  }
}
