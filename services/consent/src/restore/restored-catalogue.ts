import { noticeRef } from '@entente/contracts';
import type { Catalogue, CatalogueChange, Purpose, Recipient } from '@entente/contracts';

/** A catalogue record that the database does not know. */
export interface LostCatalogueChange {
  readonly eventId: string;
  readonly change: CatalogueChange;
}

/**
 * One lost record on the catalogue as it stands. What was changed here after the loss as well keeps what both allow; a
 * version of a notice that exists stays as it is, because whoever accepted it since has seen this one.
 * @param changedHere ids of purposes and recipients that the database changed after the loss
 */
export function restoredCatalogue(
  held: Catalogue,
  { change }: LostCatalogueChange,
  changedHere: ReadonlySet<string>,
): Pick<CatalogueChange, 'purposes' | 'notices' | 'recipients'> {
  const { purposes, notices, recipients } = change;
  return {
    purposes: purposes.map((lost) => {
      const own = held.purposes.get(lost.id);
      return own !== undefined && changedHere.has(lost.id) ? narrowerPurpose(own, lost) : lost;
    }),
    notices: notices.filter(({ id, version }) => !held.notices.has(noticeRef(id, version))),
    recipients: recipients.map((lost) => {
      const own = held.recipients.get(lost.id);
      return own !== undefined && changedHere.has(lost.id) ? narrowerRecipient(own, lost) : lost;
    }),
  };
}

const both = <T>(a: readonly T[], b: readonly T[]): T[] => a.filter((item) => b.includes(item));

const narrowerPurpose = (own: Purpose, lost: Purpose): Purpose => ({
  ...own,
  active: own.active && lost.active,
  fields: both(own.fields, lost.fields),
});

const narrowerRecipient = (own: Recipient, lost: Recipient): Recipient => ({
  ...own,
  active: own.active && lost.active,
  preloaded: own.preloaded || lost.preloaded,
  purposes: both(own.purposes, lost.purposes),
  identifiers: both(own.identifiers, lost.identifiers),
});

/**
 * REC-9: lost records take their own numbers again, so that whoever holds them holds the same. Where the database has given a
 * number anew, nobody's catalogue may be continued: the next number leaves a hole, and everybody asks the service.
 */
export const nextNumber = (held: number, lost: CatalogueChange, highest: number, diverged: boolean): number =>
  diverged ? Math.max(held, highest) + 1 : Math.max(held + 1, lost.number);

/** Whether a number between what the database holds and what the logs name is told by nobody any more. */
export function catalogueHole(
  held: number,
  lost: readonly { readonly change: CatalogueChange }[],
  named: number,
): boolean {
  const told = new Set(lost.map(({ change }) => change.number));
  const highest = Math.max(named, ...told);
  for (let number = held + 1; number <= highest; number += 1) if (!told.has(number)) return true;
  return false;
}
