import { createReadStream } from 'node:fs';
import { parse } from 'csv-parse';
import type { Subject } from './withdrawals.ts';

/** The people of an import file who were taken in, with the address the leak count needs to recognise them. */
export async function readPeople(file: string, taken: ReadonlySet<string>): Promise<Subject[]> {
  const people = new Map<string, Subject>();
  const rows = createReadStream(file).pipe(
    parse({
      bom: true,
      columns: (header: string[]) => header.map((name) => name.trim().toLowerCase()),
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      skip_records_with_error: true,
    }),
  );
  for await (const row of rows as AsyncIterable<Partial<Record<'subject_id' | 'email', string>>>) {
    const subjectId = row.subject_id?.trim();
    if (subjectId && row.email && taken.has(subjectId)) people.set(subjectId, { subjectId, email: row.email });
  }
  return [...people.values()];
}
