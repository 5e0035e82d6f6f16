import { createWriteStream } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import type { EntenteClient } from '../client/entente-client.ts';
import { connection, withConnection, type CommonOptions } from './common-options.ts';
import { result, say } from './output.ts';
import { askConsent, connect } from './running-stack.ts';

interface ExportOptions extends CommonOptions {
  readonly out?: string;
  readonly identifiers?: boolean;
  readonly person?: string;
}

/** Between two lines of progress, in people. */
const sayEvery = 50_000;
/** What is exported is personal data: for its owner alone. */
const mode = 0o600;

export function registerExport(program: Command): void {
  withConnection(program.command('export'))
    .description('writes everybody’s consents as NDJSON, one person a line, or one person’s record (docs/export.md)')
    .option('--out <file>', 'where to; default: stdout')
    .option('--identifiers', 'with e-mail addresses and telephone numbers')
    .option('--person <subjectId>', 'this person’s whole record, shaped as ISO/IEC TS 27560')
    .action((options: ExportOptions) =>
      options.person === undefined ? everybody(options) : onePerson(options.person, options),
    );
}

async function everybody({ out, identifiers = false, ...options }: ExportOptions): Promise<void> {
  const lines = counted(await connect(connection(options)), identifiers);
  if (out === undefined) return pipeline(lines.text(), process.stdout, { end: false });
  const unfinished = `${out}.part`;
  try {
    await pipeline(lines.text(), createWriteStream(unfinished, { mode }));
    await rename(unfinished, out);
  } finally {
    await rm(unfinished, { force: true });
  }
  const { people } = lines;
  if (options.json) result({ people, file: out }, options, () => '');
  else say(`${people} people in ${out}`);
}

function counted(client: EntenteClient, identifiers: boolean) {
  return {
    people: 0,
    async *text(): AsyncGenerator<string, void, void> {
      for await (const line of client.exported(identifiers)) {
        yield `${line}\n`;
        this.people += 1;
        if (this.people % sayEvery === 0) say(`${this.people} people`);
      }
    },
  };
}

async function onePerson(person: string, { out, ...options }: ExportOptions): Promise<void> {
  const answer = await askConsent(`/v1/subjects/${encodeURIComponent(person)}/export`, connection(options));
  const record = (await answer.json()) as object;
  const text = options.json ? JSON.stringify(record) : JSON.stringify(record, null, 2);
  if (out === undefined) process.stdout.write(`${text}\n`);
  else await writeFile(out, `${text}\n`, { mode });
}
