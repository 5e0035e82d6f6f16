import { readPeopleFile } from '../client/people-file.ts';
import type { Subject } from './withdrawals.ts';

/** The people of an import file who were taken in, with the address the leak count needs to recognise them. */
export async function readPeople(file: string, taken: ReadonlySet<string>): Promise<Subject[]> {
  const people = new Map<string, Subject>();
  for await (const line of readPeopleFile(file)) {
    if (!('row' in line)) continue;
    const { subject_id: subjectId, email } = line.row;
    if (email !== '' && taken.has(subjectId)) people.set(subjectId, { subjectId, email });
  }
  return [...people.values()];
}
