import { createHash } from 'node:crypto';

/** One invented person. Addresses are in example.org and numbers in a range kept for fiction (ARCEP: +33 1 99 00 …). */
export interface Person {
  readonly subjectId: string;
  readonly email: string;
  readonly phone: string;
  readonly firstname: string;
  readonly lastname: string;
}

const firstNames = [
  'Alice',
  'Bruno',
  'Chloé',
  'David',
  'Emma',
  'Farid',
  'Gaëlle',
  'Hugo',
  'Inès',
  'Jules',
  'Karim',
  'Léa',
  'Malik',
  'Nora',
  'Oscar',
  'Paula',
];
const lastNames = [
  'Martin',
  'Bernard',
  'Dubois',
  'Thomas',
  'Robert',
  'Petit',
  'Durand',
  'Leroy',
  'Moreau',
  'Simon',
  'Laurent',
  'Lefebvre',
  'Roux',
];

/** The same people at every run. */
export function makePeople(count: number): Person[] {
  return Array.from({ length: count }, (_, index) => {
    const firstname = firstNames[index % firstNames.length]!;
    const lastname = lastNames[index % lastNames.length]!;
    const number = String(index).padStart(6, '0');
    const id = createHash('sha256').update(`demo person ${number}`).digest('hex').slice(0, 10);
    return {
      subjectId: `cust-${id}`,
      email: `person.${number}@example.org`,
      phone: `+33199${number}`,
      firstname,
      lastname,
    };
  });
}

const peopleHeader = 'subject_id,email,phone,granted,denied';

/**
 * The documented import layout (docs/import.md).
 * @param granted what everybody has granted, or what the person at this place of the list has
 */
export function peopleCsv(
  people: readonly Person[],
  granted: readonly string[] | ((index: number) => readonly string[]),
): string {
  const of = typeof granted === 'function' ? granted : () => granted;
  const row = ({ subjectId, email, phone }: Person, index: number): string =>
    [subjectId, email, phone, of(index).join(' '), ''].join(',');
  return [peopleHeader, ...people.map(row)].join('\n') + '\n';
}
