import { open, rename, rm } from 'node:fs/promises';
import { csvFields } from '@entente/contracts';
import type { RejectedRow } from './entente-client.ts';
import { linesOfFile, type TextLine } from './people-file.ts';

/**
 * Writes the rejects file: each reject with the person its line names, which the service does not tell again. It takes the
 * place of an earlier one once it is whole; where nothing was rejected there is none.
 */
export async function writeRejects(
  rejectsFile: string,
  rejected: AsyncIterable<RejectedRow>,
  file: string,
  subjectOf: (text: string) => string,
): Promise<void> {
  const unfinished = `${rejectsFile}.part`;
  const out = await open(unfinished, 'w', 0o600);
  const lines = linesOfFile(file);
  try {
    await out.appendFile('line,subject_id,reason\n');
    let written = 0;
    for await (const { line, reason } of rejected) {
      const text = await textAt(lines, line);
      const subject = text === null ? '' : subjectOf(text);
      await out.appendFile(`${[String(line), subject, reason].map(csvField).join(',')}\n`);
      written += 1;
    }
    if (written === 0) await rm(rejectsFile, { force: true });
    else await rename(unfinished, rejectsFile);
  } finally {
    await lines.return();
    await out.close();
    await rm(unfinished, { force: true });
  }
}

/** Both come in the order of the file, so one pass is enough. */
async function textAt(lines: AsyncGenerator<TextLine, void, void>, wanted: number): Promise<string | null> {
  for (;;) {
    const next = await lines.next();
    if (next.done === true) return null;
    if (next.value.line === wanted) return next.value.text;
  }
}

/** The person a line names, as far as it can be read. */
export function subjectIn(format: string, header: string): (text: string) => string {
  if (format !== 'csv') return subjectOfJson;
  const place = csvFields(header).findIndex((name) => name.toLowerCase() === 'subject_id');
  return (text) => csvFields(text)[place] ?? '';
}

/** What each format calls the person. */
const names = ['subjectId', 'piiPrincipalId', 'profileId', 'itemId'];

function subjectOfJson(text: string): string {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value !== 'object' || value === null) return '';
    const found = names.map((name) => Reflect.get(value, name) as unknown).find((one) => typeof one === 'string');
    return typeof found === 'string' ? found : '';
  } catch {
    // A line that cannot be read names nobody; its reject says why.
    return '';
  }
}

const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
