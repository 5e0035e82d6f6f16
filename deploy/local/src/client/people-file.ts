import { open, type FileHandle } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import type { CsvError } from 'csv-parse/sync';

const columns = ['subject_id', 'email', 'phone', 'granted', 'denied'] as const;
export type PersonRow = Readonly<Record<(typeof columns)[number], string>>;

/** The file as a whole cannot be taken: it cannot be read, or is not laid out as documented. */
export class UnusableFile extends Error {
  override readonly name = 'UnusableFile';
}

/** One line of the file: a row, or why it is none. */
export type PeopleLine =
  | { readonly line: number; readonly row: PersonRow }
  | { readonly line: number; readonly subjectId: string; readonly reason: string };

/**
 * Reads the CSV layout of docs/import.md line by line. A field cannot hold a line break: so a stray quotation mark costs
 * its own line, not the rest of the file, and line numbers are those of an editor.
 * @throws UnusableFile when the file cannot be read or its first line does not name the columns
 */
export async function* readPeopleFile(file: string): AsyncGenerator<PeopleLine> {
  const handle = await opened(file);
  try {
    let header: readonly string[] | undefined;
    let line = 0;
    // Byte by byte: bytes that are no UTF-8 must not turn into the same sign for two people's ids.
    for await (const bytes of handle.readLines({ encoding: 'latin1' })) {
      line += 1;
      const text = utf8(bytes);
      const content = line === 1 ? text?.replace(/^\uFEFF/, '') : text;
      if (content?.trim() === '') continue;
      if (header === undefined) header = headerOf(content);
      else yield content === undefined ? { line, subjectId: '', reason: notUtf8 } : lineOf(line, content, header);
    }
    if (header === undefined) headerOf('');
  } finally {
    await handle.close();
  }
}

/** Reads as far as the first line, so that a file nobody can use is refused before anything is started for it. */
export async function checkPeopleFile(file: string): Promise<void> {
  for await (const line of readPeopleFile(file)) if (line.line > 0) return;
}

const notUtf8 = 'not UTF-8: save the file as “CSV UTF-8”';
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(bytes: string): string | undefined {
  try {
    return decoder.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}

async function opened(file: string): Promise<FileHandle> {
  try {
    const handle = await open(file);
    if (!(await handle.stat()).isDirectory()) return handle;
    await handle.close();
  } catch (cause) {
    throw new UnusableFile(`${file}: ${(cause as NodeJS.ErrnoException).code ?? 'cannot be read'}`, { cause });
  }
  throw new UnusableFile(`${file}: EISDIR, it is a folder`);
}

function headerOf(content: string | undefined): readonly string[] {
  if (content === undefined || content.includes('\0')) throw new UnusableFile(notUtf8);
  const fields = fieldsOf(content);
  const names = 'reason' in fields ? [] : fields.map((name) => name.toLowerCase());
  const missing = columns.filter((column) => !names.includes(column));
  if (missing.length > 0)
    throw new UnusableFile(
      `the first line must name the columns ${columns.join(', ')}; missing: ${missing.join(', ')}` +
        (/[;\t]/.test(content) && !content.includes(',') ? ' (columns must be separated by commas)' : ''),
    );
  const twice = columns.find((column) => names.indexOf(column) !== names.lastIndexOf(column));
  if (twice) throw new UnusableFile(`the first line names the column ${twice} twice`);
  return names;
}

function lineOf(line: number, content: string, header: readonly string[]): PeopleLine {
  const fields = fieldsOf(content);
  if ('reason' in fields) return { line, subjectId: '', reason: fields.reason };
  const value = (column: string): string | undefined => fields[header.indexOf(column)];
  const subjectId = value('subject_id') ?? '';
  // Too many fields as much as too few: an unquoted comma would make one column's words another's.
  if (fields.length > header.length)
    return { line, subjectId, reason: `${fields.length} fields where the first line names ${header.length}` };
  const missing = columns.find((column) => value(column) === undefined);
  if (missing) return { line, subjectId, reason: `column ${missing} is missing` };
  return { line, row: Object.fromEntries(columns.map((column) => [column, value(column)])) as PersonRow };
}

function fieldsOf(content: string): readonly string[] | { readonly reason: string } {
  try {
    const lines: string[][] = parse(content, { trim: true });
    return lines[0] ?? [];
  } catch (error) {
    const code = (error as Partial<CsvError>).code;
    if (code === undefined) throw error;
    return { reason: `not readable as CSV: ${faults[code] ?? code}` };
  }
}

const faults: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quotation mark is not closed on this line',
  CSV_INVALID_CLOSING_QUOTE: 'text follows a closing quotation mark',
  INVALID_OPENING_QUOTE: 'a quotation mark stands inside a field',
};
