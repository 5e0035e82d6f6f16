/** The fields of one line of CSV, trimmed, or why it has none. A field cannot hold a line break. */
export type CsvLine = { readonly fields: readonly string[] } | { readonly fault: string };

const notClosed = 'not readable as CSV: a quotation mark is not closed on this line';
const afterQuote = 'not readable as CSV: text follows a closing quotation mark';
const insideField = 'not readable as CSV: a quotation mark stands inside a field';

/** RFC 4180, one line at a time; blanks around fields and around quotation marks do not count. */
export function csvLine(line: string): CsvLine {
  if (!line.includes('"')) return { fields: line.split(',').map((field) => field.trim()) };
  const fields: string[] = [];
  for (let at = 0; at <= line.length;) {
    const start = skipBlanks(line, at);
    const read = line[start] === '"' ? quoted(line, start) : bare(line, start);
    if ('fault' in read) return read;
    fields.push(read.field);
    at = read.end + 1;
  }
  return { fields };
}

type Read = { readonly field: string; readonly end: number } | { readonly fault: string };

/** `end` is the place of the comma, or the line's length. */
function quoted(line: string, start: number): Read {
  let close = line.indexOf('"', start + 1);
  while (close !== -1 && line[close + 1] === '"') close = line.indexOf('"', close + 2);
  if (close === -1) return { fault: notClosed };
  const end = skipBlanks(line, close + 1);
  if (end < line.length && line[end] !== ',') return { fault: afterQuote };
  return { field: line.slice(start + 1, close).replaceAll('""', '"'), end };
}

function bare(line: string, start: number): Read {
  const comma = line.indexOf(',', start);
  const end = comma === -1 ? line.length : comma;
  const field = line.slice(start, end).trimEnd();
  return field.includes('"') ? { fault: insideField } : { field, end };
}

function skipBlanks(line: string, from: number): number {
  let at = from;
  while (at < line.length && line[at] !== ',' && line[at]?.trim() === '') at += 1;
  return at;
}
