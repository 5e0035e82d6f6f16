import { createReadStream } from 'node:fs';
import { fileLines, peopleColumns, peopleRow, textOf } from '@entente/contracts';
import type { PeopleColumns, PeopleRow } from '@entente/contracts';

/** The file as a whole cannot be taken: it cannot be read, or is not laid out as documented. */
export class UnusableFile extends Error {
  override readonly name = 'UnusableFile';
}

/** The longest line a service takes, in bytes. */
const longestLine = 65_536;

/** A line of a file, counted as an editor counts; null for one that is no UTF-8 text or too long. */
export interface TextLine {
  readonly line: number;
  readonly text: string | null;
}

/** @throws UnusableFile when the file cannot be read */
export async function* linesOfFile(file: string): AsyncGenerator<TextLine, void, void> {
  let line = 0;
  try {
    for await (const { bytes } of fileLines(createReadStream(file) as AsyncIterable<Buffer>, longestLine)) {
      line += 1;
      const text = bytes === null ? null : textOf(bytes);
      yield { line, text: line === 1 && text?.startsWith('\uFEFF') === true ? text.slice(1) : text };
    }
  } catch (cause) {
    throw cause instanceof UnusableFile ? cause : unusable(file, cause);
  }
}

const said: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'is a folder, not a file',
  EACCES: 'may not be read by this user',
};

export function unusable(file: string, cause: unknown): UnusableFile {
  const { code = '' } = cause as NodeJS.ErrnoException;
  return new UnusableFile(`${file}: ${said[code] ?? `cannot be read ${code}`.trimEnd()}`, { cause });
}

/** The rows of the CSV layout of docs/import.md; lines that are none are left out, as the service rejects them. */
export async function* readPeopleFile(
  file: string,
): AsyncGenerator<{ readonly line: number; readonly row: PeopleRow }> {
  let columns: PeopleColumns | undefined;
  for await (const { line, text } of linesOfFile(file)) {
    if (text?.trim() === '') continue;
    if (columns === undefined) columns = columnsOf(text);
    else if (text !== null) {
      const row = peopleRow(text, columns);
      if (!('fault' in row)) yield { line, row };
    }
  }
  if (columns === undefined) columnsOf('');
}

/** Reads as far as the first row, so that a file nobody can use is refused before anything is started for it. */
export async function checkPeopleFile(file: string): Promise<void> {
  for await (const { line } of readPeopleFile(file)) if (line > 0) return;
}

function columnsOf(text: string | null): PeopleColumns {
  if (text === null || text.includes('\0')) throw new UnusableFile('not UTF-8: save the file as “CSV UTF-8”');
  const columns = peopleColumns(text);
  if ('fault' in columns) throw new UnusableFile(columns.fault);
  return columns;
}
