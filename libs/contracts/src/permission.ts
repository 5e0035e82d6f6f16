import type { Catalogue, Notice } from './catalogue.ts';
import type { NoticeRef, PurposeId, RecipientId } from './ids.ts';
import type { ConsentVector, PurposeState } from './vector.ts';

/** Why something may not leave; a closed list, used in answers and metrics. */
export const denialReasons = [
  'unknown-subject',
  'unknown-purpose',
  'unknown-recipient',
  'not-granted',
  'expired',
  'purpose-inactive',
  'recipient-inactive',
  'recipient-not-for-purpose',
  'recipient-not-in-notice',
  'recipient-refused',
  'notice-outdated',
] as const;
export type DenialReason = (typeof denialReasons)[number];

export type Permission =
  { readonly allowed: true; readonly until: number } | { readonly allowed: false; readonly reason: DenialReason };

/** What of a vector a permission rests on. */
export type PermittingVector = Readonly<Record<PurposeId, Omit<PurposeState, 'since' | 'lent'>>>;

const deny = (reason: DenialReason): Permission => ({ allowed: false, reason });

/**
 * GATE-4 without the lease: may data of this subject leave for this purpose to this recipient? Unknown means deny.
 * @param now milliseconds since the epoch, the later of the clocks the caller trusts
 * @returns `until`: the instant in milliseconds at which the grant ends by itself, or Infinity
 */
export function permission(
  vector: PermittingVector | undefined,
  catalogue: Catalogue,
  purpose: PurposeId,
  recipient: RecipientId,
  now: number,
): Permission {
  const knownPurpose = catalogue.purposes.get(purpose);
  if (!knownPurpose) return deny('unknown-purpose');
  if (!knownPurpose.active) return deny('purpose-inactive');
  const knownRecipient = catalogue.recipients.get(recipient);
  if (!knownRecipient) return deny('unknown-recipient');
  if (!knownRecipient.active) return deny('recipient-inactive');
  if (!knownRecipient.purposes.includes(purpose)) return deny('recipient-not-for-purpose');
  if (!vector) return deny('unknown-subject');
  const state = vector[purpose];
  if (state?.decision !== 'granted') return deny('not-granted');
  const until = state.validUntil === undefined ? Infinity : Date.parse(state.validUntil);
  if (!(now < until)) return deny('expired');
  if (state.refused?.includes(recipient)) return deny('recipient-refused');
  const named = state.notice === undefined ? undefined : catalogue.notices.get(state.notice)?.purposes[purpose];
  if (!named?.includes(recipient)) return deny('recipient-not-in-notice');
  if (state.notice !== undefined && needsRenewal(catalogue, state.notice, purpose)) return deny('notice-outdated');
  return { allowed: true, until };
}

/** Versions of a notice that ask everyone anew, by the notice's id; worked out once for each catalogue. */
const materialNotices = new WeakMap<Catalogue['notices'], ReadonlyMap<string, readonly Notice[]>>();

function materialVersions(notices: Catalogue['notices'], id: string): readonly Notice[] {
  let byId = materialNotices.get(notices);
  if (byId === undefined) {
    byId = Map.groupBy(
      [...notices.values()].filter(({ material }) => material === true),
      (notice) => notice.id,
    );
    materialNotices.set(notices, byId);
  }
  return byId.get(id) ?? [];
}

/** REC-9: whether a newer, material version of the accepted notice names this purpose: what was accepted is not this. */
export function needsRenewal(catalogue: Catalogue, accepted: NoticeRef, purpose: PurposeId): boolean {
  const at = accepted.lastIndexOf('@');
  const version = Number(accepted.slice(at + 1));
  return materialVersions(catalogue.notices, accepted.slice(0, at)).some(
    (notice) => notice.version > version && Object.hasOwn(notice.purposes, purpose),
  );
}

/** DLV-1: the set of purposes allowed at one recipient, sorted; what a partner's plan is made from. */
export function allowedPurposes(
  vector: ConsentVector | undefined,
  catalogue: Catalogue,
  recipient: RecipientId,
  now: number,
): PurposeId[] {
  const purposes = catalogue.recipients.get(recipient)?.purposes ?? [];
  return purposes.filter((purpose) => permission(vector, catalogue, purpose, recipient, now).allowed).sort();
}
