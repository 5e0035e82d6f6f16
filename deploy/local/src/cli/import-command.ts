import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { importFormats, type ImportFormat, type ImportState } from '../client/entente-client.ts';
import { importPeople } from '../client/import-people.ts';
import type { starterNotice } from '../stack/starter-catalogue.ts';
import { connection, withConnection, type CommonOptions } from './common-options.ts';
import { noticeOption } from './data-commands.ts';
import { exitCode } from './exit.ts';
import { result, say } from './output.ts';
import { connect } from './running-stack.ts';

interface ImportCommandOptions extends CommonOptions {
  readonly rejects?: string;
  readonly notice: typeof starterNotice;
  readonly format?: ImportFormat;
  readonly purposes?: string;
  readonly dryRun?: boolean;
}

export function registerImport(program: Command): void {
  withConnection(program.command('import <file>'))
    .description('takes people in from a file; run again, it goes on where it was interrupted (docs/import.md)')
    .option('--rejects <file>', 'where rows that were not taken go, with reasons; default: <file>.rejects.csv')
    .addOption(noticeOption('the notice of rows that name none'))
    .addOption(new Option('--format <format>', 'default: by the name, .ndjson or CSV').choices(importFormats))
    .option('--purposes <file>', 'JSON: our purposes by the names of the file, {"Newsletter":"email-marketing"}')
    .option('--dry-run', 'judges every row and changes nothing')
    .action(async (file: string, options: ImportCommandOptions) => {
      const { notice, format, dryRun = false, rejects: rejectsFile = `${file}.rejects.csv` } = options;
      const purposes = options.purposes === undefined ? undefined : await namesIn(options.purposes);
      const counts = await importPeople({
        ...{ file, rejectsFile, notice, dryRun, progress: sayProgress },
        client: await connect(connection(options)),
        ...(format === undefined ? {} : { format }),
        ...(purposes === undefined ? {} : { purposes }),
      });
      const { id, rows, recorded, unchanged, partly, rejected } = counts;
      const written = rejected + partly > 0 ? rejectsFile : null;
      const summary = { id, dryRun, rows, recorded, partly, unchanged, rejected, rejectsFile: written };
      result(summary, options, () => textOf(counts, written));
      if (written !== null) process.exitCode = exitCode.checkFailed;
    });
}

function sayProgress({ state, rows, position: { bytes, total } }: ImportState): void {
  if (state === 'open' && total !== undefined) say(`${rows} rows, ${Math.floor((bytes * 100) / total)} %`);
}

function textOf({ rows, recorded, unchanged, partly, rejected, dryRun }: ImportState, written: string | null): string {
  const inPart = partly > 0 ? ` (${partly} of them in part)` : '';
  const taken = dryRun ? 'would be recorded' : 'recorded';
  const reasons = written === null ? '' : ` (reasons: ${written})`;
  const outcome = `${rows} rows: ${recorded} ${taken}${inPart}, ${unchanged} known already, ${rejected} rejected${reasons}`;
  return dryRun ? `dry run, nobody's consents were changed: ${outcome}` : outcome;
}

async function namesIn(file: string): Promise<Record<string, string>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, string>;
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw error;
    throw new InvalidArgumentError(`${file} holds no JSON`);
  }
}
