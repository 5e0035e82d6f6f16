import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { starterCatalogue } from '../stack/starter-catalogue.ts';
import { connectionFromEnvironment } from './config.ts';
import { result } from './output.ts';
import { connect, type ConnectionOptions } from './running-stack.ts';
import { UnusableFile } from '../client/people-file.ts';

export function registerCatalogue(program: Command): void {
  const catalogue = program
    .command('catalogue')
    .description('the purposes, notices and recipients people decide about');
  catalogue
    .command('starter')
    .description('prints the starter catalogue as JSON, to be edited and applied')
    .option('--json', 'one line of JSON on stdout')
    .action((options: { json?: boolean }) => result(starterCatalogue, options, indented));
  catalogue
    .command('apply [file]')
    .description('makes one catalogue change of a JSON file, by default of the starter catalogue; safe to repeat')
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--ops-url <url>', 'ops service (ENTENTE_OPS_URL)')
    .option('--token <token>', 'bearer token (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout')
    .action(async (file: string | undefined, options: ConnectionOptions & { json?: boolean }) => {
      const client = await connect({ ...connectionFromEnvironment(), ...options });
      const change = file === undefined ? starterCatalogue : await readChange(file);
      const applied = (await client.changeCatalogue(change)) as CatalogueApplied;
      result(applied, options, () => {
        const stands = `the catalogue stands at number ${applied.number ?? 'unknown'}`;
        return applied.changed === false ? `nothing to change: ${stands}, with all of this in it` : stands;
      });
    });
}

interface CatalogueApplied {
  readonly number?: number;
  readonly changed?: boolean;
}

const indented = (value: object): string => JSON.stringify(value, null, 2);

async function readChange(file: string): Promise<object> {
  const text = await readFile(file, 'utf8');
  try {
    return JSON.parse(text) as object;
  } catch (cause) {
    throw new UnusableFile(`${file} is not JSON`, { cause });
  }
}
