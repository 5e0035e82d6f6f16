import type { Revocation } from '../partner/definition.ts';
import { without } from '../delivery-step/purpose-set.ts';
import { noCallNeeded, type Outcome, type RevocationOutcome } from '../partner/outcome.ts';
import type { AttemptScope, BoundRecipient } from '../partner/recipient.ts';
import type { DeliveryRow } from '../store/delivery-rows.ts';

/** One row's revocation as it goes to the partner. */
export interface Planned {
  readonly row: DeliveryRow;
  readonly revocation: Revocation;
}

interface Told {
  readonly outcome: RevocationOutcome;
  readonly sent: boolean;
}

const noOutcome: Outcome = { kind: 'unclear', why: 'no-outcome' };

/** REC-8: who is to be erased is deleted where the partner can, and elsewhere stripped of every purpose like the others. */
export async function atPartner<P extends Planned>(
  recipient: Pick<BoundRecipient, 'revoke' | 'erase' | 'erases'>,
  planned: readonly P[],
  scope: AttemptScope,
): Promise<ReadonlyMap<P, Told>> {
  const told = new Map<P, Told>();
  const isDeleted = ({ row }: P): boolean => row.erasure && recipient.erases;
  const toDelete = planned.filter(isDeleted);
  const toRevoke = planned.filter((plan) => !isDeleted(plan));
  if (toRevoke.length > 0) {
    const { outcomes, sent } = await recipient.revoke(
      toRevoke.map(({ revocation }) => revocation),
      scope,
    );
    toRevoke.forEach((plan, index) =>
      told.set(plan, { outcome: heedingPlan(outcomes[index] ?? noOutcome, plan.revocation), sent }),
    );
  }
  if (toDelete.length > 0) {
    const { outcomes, sent } = await recipient.erase(
      toDelete.map(({ revocation: { subjectKey, version, identifiers } }) => ({ subjectKey, version, identifiers })),
      scope,
    );
    toDelete.forEach((plan, index) => told.set(plan, { outcome: planless(outcomes[index] ?? noOutcome), sent }));
  }
  return told;
}

const forgotten: Outcome = { kind: 'refused', why: 'no-call-planned' };
const isPlanless = (outcome: RevocationOutcome): boolean =>
  outcome.kind === 'nothing-to-do' && outcome.why === noCallNeeded;

/** A plan that makes no call for a purpose that must stop has forgotten it: a person must look, nothing is settled. */
const heedingPlan = (outcome: RevocationOutcome, { recipientPurposes, allowed }: Revocation): RevocationOutcome =>
  isPlanless(outcome) && without(recipientPurposes, allowed).length > 0 ? forgotten : outcome;

const planless = (outcome: Outcome): Outcome => (isPlanless(outcome) ? forgotten : outcome);
