import { describe, expect, test } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { csvLine } from './csv-line.ts';
import { peopleColumns, peopleRow } from './people-columns.ts';

describe('a line of CSV', () => {
  test.each<[string, string[]]>([
    ['a,b', ['a', 'b']],
    ['', ['']],
    [',', ['', '']],
    [' a , b ', ['a', 'b']],
    ['"a,b",c', ['a,b', 'c']],
    [' "a" , "b""c" ', ['a', 'b"c']],
    ['"",x', ['', 'x']],
    ['" a "', [' a ']],
  ])('%j', (line, fields) => expect(csvLine(line)).toEqual({ fields }));

  test.each<[string, string]>([
    ['"a,b', 'a quotation mark is not closed on this line'],
    ['"a""', 'a quotation mark is not closed on this line'],
    ['"a"x,b', 'text follows a closing quotation mark'],
    ['a"b,c', 'a quotation mark stands inside a field'],
  ])('%j is none: %s', (line, fault) => expect(csvLine(line)).toEqual({ fault: `not readable as CSV: ${fault}` }));

  test('that is read is read as a library reads it', () => {
    const byLibrary = (line: string): readonly string[] | null => {
      try {
        const [fields = ['']]: string[][] = parse(line, { trim: true });
        return fields;
      } catch {
        // What is wrong is said in words of its own; here it is enough that something is.
        return null;
      }
    };
    const lines = fc.string({ unit: fc.constantFrom('a', 'b', ',', '"', '"', ' '), maxLength: 12 });
    fc.assert(
      fc.property(lines, (line) => {
        const read = csvLine(line);
        if (!('fault' in read)) expect(read.fields).toEqual(byLibrary(line));
      }),
      { numRuns: 2_000 },
    );
  });

  test('whatever fields hold comes back from their quoted form', () => {
    const field = fc.string().filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), (fields) => {
        const line = fields.map((text) => `"${text.replaceAll('"', '""')}"`).join(',');
        expect(csvLine(line)).toEqual({ fields });
      }),
    );
  });
});

describe('a file of people', () => {
  const columns = peopleColumns('Denied,country,EMAIL,phone,Granted,SUBJECT_ID,valid_until');
  if ('fault' in columns) throw new Error(columns.fault);

  test('its columns may come in any order and case, with others among them', () =>
    expect(peopleRow('ads,FR,a@example.org,,mail,p1,', columns)).toEqual({
      ...{ subject_id: 'p1', email: 'a@example.org', phone: '', granted: 'mail', denied: 'ads', valid_until: '' },
    }));

  test.each<[string, RegExp]>([
    ['subject_id,email,phone,granted', /missing: denied$/],
    ['subject_id;email;phone;granted;denied', /\(columns must be separated by commas\)$/],
    ['subject_id,email,phone,granted,denied,email', /names the column email twice/],
    ['', /^the first line must name the columns/],
  ])('%j cannot be its first line', (line, fault) =>
    expect(peopleColumns(line)).toEqual({ fault: expect.stringMatching(fault) }),
  );

  test.each<[string, string]>([
    ['a,b,c,d,e,p1,f,g', '8 fields where the first line names 7'],
    ['a,b,c,d,e,p1', 'column valid_until is missing'],
  ])('%j is no row: %s', (line, fault) => expect(peopleRow(line, columns)).toEqual({ subjectId: 'p1', fault }));
});
