import { idPattern, purposeId } from '@entente/contracts';
import { locales, methods } from '../ledger/evidence.ts';
import type { Evidence, PersonalEvidence } from '../ledger/evidence.ts';
import type { FieldFault } from '../ledger/answer.ts';
import { isInstant } from './shapes.ts';

/** The evidence of a request as far as it can be read, and what is wrong with the rest. */
export interface ReadEvidence {
  readonly evidence: Evidence;
  readonly faults: readonly FieldFault[];
}

/** The same characters as in a person's id. */
const isPlainText = new RegExp(idPattern.subjectId, 'u');
const label = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed() && value.length <= 128 && isPlainText.test(value);
const labelText = 'must be 1 to 128 characters without control characters';
const oneOf = (list: readonly string[]) => (value: unknown) => typeof value === 'string' && list.includes(value);
const name = new RegExp(idPattern.name, 'u');

interface Rule {
  readonly accepts: (value: unknown) => boolean;
  readonly detail: string;
}

/** By member of `evidence`. */
const rules: Readonly<Record<string, Rule>> = {
  locale: { accepts: oneOf(locales), detail: `must be one of ${locales.join(', ')}` },
  method: { accepts: oneOf(methods), detail: `must be one of ${methods.join(', ')}` },
  purposesShown: {
    accepts: (value) =>
      Array.isArray(value) && value.length <= 200 && value.every((one) => typeof one === 'string' && name.test(one)),
    detail: 'must be a list of at most 200 names of purposes',
  },
  channel: { accepts: label, detail: labelText },
  variant: { accepts: label, detail: labelText },
  conditionOf: { accepts: label, detail: labelText },
  guardian: { accepts: label, detail: labelText },
  mandate: { accepts: label, detail: labelText },
  clientTime: {
    accepts: (value) => typeof value === 'string' && isInstant(value),
    detail: 'must be a date and time with its zone, like 2027-01-31T12:00:00Z',
  },
  age: {
    accepts: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 150,
    detail: 'must be a whole number of years from 0 to 150',
  },
};

/**
 * Reads the evidence member by member, apart from the rest of the body: evidence that cannot be read stops a grant, and
 * must not stop a denial sent with it (REC-3).
 */
export function readEvidence(value: unknown): ReadEvidence {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { evidence: {}, faults: [{ pointer: '/evidence', detail: 'must be an object' }] };
  const given = Object.entries(value);
  const faults = given.flatMap(([member, content]): FieldFault[] => {
    const rule = Object.hasOwn(rules, member) ? rules[member] : undefined;
    if (rule === undefined) return [{ pointer: '/evidence', detail: 'has a property that is not known here' }];
    return rule.accepts(content) ? [] : [{ pointer: `/evidence/${member}`, detail: rule.detail }];
  });
  const faulty = new Set(faults.map(({ pointer }) => pointer));
  const readable = Object.fromEntries(
    given.filter(([member]) => Object.hasOwn(rules, member) && !faulty.has(`/evidence/${member}`)),
  ) as Omit<Evidence, 'personal'> & PersonalEvidence;
  return { evidence: arranged(readable), faults };
}

/** What names or describes the person apart from the rest, which the ledger keeps in clear. */
function arranged({ age, guardian, mandate, ...rest }: Omit<Evidence, 'personal'> & PersonalEvidence): Evidence {
  const personal = {
    ...(age === undefined ? {} : { age }),
    ...(guardian === undefined ? {} : { guardian }),
    ...(mandate === undefined ? {} : { mandate }),
  };
  return {
    ...rest,
    ...(rest.purposesShown === undefined ? {} : { purposesShown: rest.purposesShown.map(purposeId) }),
    ...(rest.clientTime === undefined ? {} : { clientTime: new Date(rest.clientTime).toISOString() }),
    ...(Object.keys(personal).length === 0 ? {} : { personal }),
  };
}
