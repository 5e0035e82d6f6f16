import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { once } from 'node:events';
import type { Command } from 'commander';
import { connection, withConnection, type CommonOptions } from './data-commands.ts';
import { say } from './output.ts';
import { connect } from './running-stack.ts';

interface ExportOptions extends CommonOptions {
  readonly out?: string;
  readonly identifiers?: boolean;
}

/** Between two lines of progress, in people. */
const sayEvery = 50_000;

export function registerExport(program: Command): void {
  withConnection(program.command('export'))
    .description('writes everybody’s consents as NDJSON, one person a line (docs/export.md)')
    .option('--out <file>', 'where to; default: stdout')
    .option('--identifiers', 'with e-mail addresses and telephone numbers')
    .action(async ({ out, identifiers = false, ...options }: ExportOptions) => {
      const client = await connect(connection(options));
      const unfinished = out === undefined ? undefined : `${out}.part`;
      const target = unfinished === undefined ? process.stdout : createWriteStream(unfinished, { mode: 0o600 });
      let people = 0;
      try {
        for await (const line of client.exported(identifiers)) {
          if (!target.write(`${line}\n`)) await once(target, 'drain');
          people += 1;
          if (people % sayEvery === 0) say(`${people} people`);
        }
        if (unfinished === undefined || out === undefined) return;
        target.end();
        await finished(target);
        await rename(unfinished, out);
        say(`${people} people in ${out}`);
      } finally {
        if (unfinished !== undefined) await rm(unfinished, { force: true });
      }
    });
}
