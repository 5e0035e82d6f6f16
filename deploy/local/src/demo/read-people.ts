import { readPeopleFile } from '../client/people-file.ts';
import type { Subject } from './withdrawals.ts';

/** The people of an import file but for the lines left out, with the address the leak count needs to recognise them. */
export async function readPeople(file: string, rejected: ReadonlySet<number>): Promise<Subject[]> {
  const people = new Map<string, Subject>();
  for await (const { line, row } of readPeopleFile(file)) {
    const { subject_id: subjectId, email } = row;
    if (email !== '' && subjectId !== '' && !rejected.has(line)) people.set(subjectId, { subjectId, email });
  }
  return [...people.values()];
}
