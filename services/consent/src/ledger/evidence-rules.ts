import type { FieldFault, Rejection } from './answer.ts';
import type { GrantItem } from './command.ts';
import type { DecisionContext } from './decision-context.ts';
import type { Evidence } from './evidence.ts';

const consentWall: Rejection = {
  code: 'consent-wall',
  status: 422,
  detail: 'What a person was made to grant for a service that does not need it is not freely given (GDPR 7(4)).',
};

const noMandate: Rejection = {
  code: 'mandate-required',
  status: 422,
  detail: 'An agent grants under a mandate; its reference belongs into the evidence.',
  errors: [{ pointer: '/evidence/mandate', detail: 'is required where method is agent' }],
};

/** What the evidence itself says against any grant, or null. */
export function evidenceFaultOf(evidence: Evidence | undefined): Rejection | null {
  if (evidence?.conditionOf !== undefined) return consentWall;
  if (evidence?.method === 'agent' && evidence.personal?.mandate === undefined) return noMandate;
  return null;
}

/** G-10: a purpose with a minimum age needs the age the person stated, or the guardian who decided for them. */
export function missingProof(
  { purpose }: GrantItem,
  evidence: Evidence | undefined,
  { catalogue }: DecisionContext,
): FieldFault | null {
  const minAge = catalogue.purposes.get(purpose)?.minAge;
  if (minAge === undefined) return null;
  const { age, guardian } = evidence?.personal ?? {};
  if (guardian !== undefined || (age !== undefined && age >= minAge)) return null;
  return {
    pointer: '/evidence/age',
    detail: `must be ${minAge} or more for the purpose ${purpose}, or /evidence/guardian be given`,
  };
}
