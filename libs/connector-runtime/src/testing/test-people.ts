import { controllerId, subjectKey, type Identifiers, type SubjectKey } from '@entente/contracts';
import { randomBytes } from 'node:crypto';

export const controller = controllerId('acme');

/** A person of the tests, with what the consent service would seal for this connector. */
export interface TestPerson {
  readonly subjectKey: SubjectKey;
  readonly identifiers: Identifiers;
}

let people = 0;

/** A new person, under identifiers nobody else has. */
export function newPerson(identifiers: (name: string) => Identifiers): TestPerson {
  people += 1;
  const key = subjectKey(`k1.${randomBytes(16).toString('base64url')}`);
  return { subjectKey: key, identifiers: identifiers(`planted-person-${people}-${randomBytes(3).toString('hex')}`) };
}
