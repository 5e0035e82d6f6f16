import { csvLine } from './csv-line.ts';

/** Columns of the CSV layout of docs/import.md that every file has. */
const required = ['subject_id', 'email', 'phone', 'granted', 'denied'] as const;
/** Columns that a file may have. */
const optional = ['objected', 'valid_until', 'decided_at', 'notice', 'locale', 'channel'] as const;

export type PeopleColumn = (typeof required)[number] | (typeof optional)[number];
export type PeopleRow = Readonly<Record<(typeof required)[number], string>> &
  Readonly<Partial<Record<(typeof optional)[number], string>>>;

/** Where each column stands, and how many there are. */
export interface PeopleColumns {
  readonly width: number;
  readonly places: Readonly<Partial<Record<PeopleColumn, number>>>;
}

const known: readonly PeopleColumn[] = [...required, ...optional];

/** The columns a file's first line names, in any order and case, or why it cannot be one. */
export function peopleColumns(line: string): PeopleColumns | { readonly fault: string } {
  const read = csvLine(line);
  const names = 'fault' in read ? [] : read.fields.map((name) => name.toLowerCase());
  const missing = required.filter((column) => !names.includes(column));
  if (missing.length > 0) {
    const separated = /[;\t]/.test(line) && !line.includes(',') ? ' (columns must be separated by commas)' : '';
    return {
      fault: `the first line must name the columns ${required.join(', ')}; missing: ${missing.join(', ')}${separated}`,
    };
  }
  const twice = known.find((column) => names.indexOf(column) !== names.lastIndexOf(column));
  if (twice !== undefined) return { fault: `the first line names the column ${twice} twice` };
  const places = known.flatMap((column) => (names.includes(column) ? [[column, names.indexOf(column)] as const] : []));
  return { width: names.length, places: Object.fromEntries(places) };
}

/** One line under these columns, or why it is no row. */
export function peopleRow(
  line: string,
  { width, places }: PeopleColumns,
): PeopleRow | { readonly fault: string; readonly subjectId: string } {
  const read = csvLine(line);
  if ('fault' in read) return { fault: read.fault, subjectId: '' };
  const { fields } = read;
  const subjectId = fields[places.subject_id ?? 0] ?? '';
  // Too many fields as much as too few: an unquoted comma would make one column's words another's.
  if (fields.length > width) return { subjectId, fault: `${fields.length} fields where the first line names ${width}` };
  const named = Object.entries(places);
  const missing = named.find(([, place]) => place >= fields.length);
  if (missing !== undefined) return { subjectId, fault: `column ${missing[0]} is missing` };
  return Object.fromEntries(named.map(([column, place]) => [column, fields[place]])) as unknown as PeopleRow;
}

/** Purposes in one field: separated by blanks, `;` or `|`. */
export const wordsOf = (field: string): string[] => field.split(/[\s;|]+/).filter(Boolean);

/** The fields of a line as far as they can be read, for showing. */
export function csvFields(line: string): readonly string[] {
  const read = csvLine(line);
  return 'fault' in read ? [] : read.fields;
}
