import { needsRenewal } from '@entente/contracts';
import type { PurposeId } from '@entente/contracts';
import type { FieldFault, RefusedGrant, Rejection } from './answer.ts';
import type { Command, Grant, GrantItem, Preconditions } from './command.ts';
import type { DecisionContext, KeyStanding, SubjectState } from './decision-context.ts';
import { evidenceFaultOf, missingProof } from './evidence-rules.ts';
import { standingState } from './vector-access.ts';

/** Longest time a grant may ask for: after that a person is asked again. */
const longestGrantMs = 10 * 366 * 24 * 3_600_000;

const keyUsed: Rejection = {
  code: 'idempotency-key-used',
  status: 409,
  detail: 'The grant of this Idempotency-Key was recorded before; it is not repeated on top of a newer decision.',
};

/** What stops the granting part whatever it says, or null. */
export function preconditionOf(version: number, grant: Preconditions, key: KeyStanding): Rejection | null {
  if (!grant.mayGrant)
    return { code: 'insufficient-scope', status: 403, detail: 'Granting needs the scope consent:grant.' };
  if (grant.key.kind === 'absent')
    return { code: 'idempotency-key-required', status: 400, detail: 'Granting needs an Idempotency-Key header.' };
  if (grant.key.kind === 'malformed')
    return {
      code: 'idempotency-key-malformed',
      status: 400,
      detail: 'The Idempotency-Key must be 1 to 255 printable ASCII characters, quoted or not.',
    };
  if (key === 'reused')
    return {
      code: 'idempotency-key-reused',
      status: 422,
      detail: 'This Idempotency-Key was used with another request.',
    };
  if (key === 'answered') return keyUsed;
  if (grant.ifMatch?.kind === 'malformed')
    return { code: 'if-match-malformed', status: 400, detail: 'If-Match must be one version tag like "42", or *.' };
  const isOther = grant.ifMatch?.kind === 'version' && grant.ifMatch.version !== version;
  const isMissing = grant.ifMatch?.kind === 'any' && version === 0;
  if (isOther || isMissing)
    return { code: 'version-conflict', status: 412, detail: 'The consent has changed since the version in If-Match.' };
  return null;
}

interface ContentFaults {
  readonly rejection: Rejection;
  readonly refused: readonly RefusedGrant[];
}

/** What is wrong with the granting part itself. One fault stops all of it: people grant what they were shown as one. */
export function contentFaults(
  state: SubjectState,
  command: Command,
  grant: Grant,
  context: DecisionContext,
): ContentFaults | null {
  const standing = evidenceFaultOf(command.evidence) === null ? refusedStanding(state, command, grant) : null;
  return standing === null ? faultsInItself(command, grant, context) : wholly(grant, standing);
}

/** The same, whatever stands of the person. */
export function faultsInItself(command: Command, grant: Grant, context: DecisionContext): ContentFaults | null {
  const wall = evidenceFaultOf(command.evidence);
  if (wall !== null) return wholly(grant, wall);
  const faults = new Map<PurposeId, FieldFault>();
  const errors: FieldFault[] = [...(grant.evidenceFaults ?? [])];
  const noticeFault = faultOfNotice(grant, context);
  if (noticeFault !== null) errors.push(noticeFault);
  for (const item of grant.items) {
    const fault =
      faultOfItem(item, grant, context) ??
      missingProof(item, command.evidence, context) ??
      (hasRunOut(item, command, context)
        ? { pointer: `/decisions/${item.index}`, detail: 'was given so long ago that it has run out' }
        : null);
    if (fault === null) continue;
    faults.set(item.purpose, fault);
    errors.push(fault);
  }
  if (errors.length === 0) return null;
  const code = 'grant-not-possible';
  const rest = noticeFault?.detail ?? 'another grant of this request is not possible';
  return {
    rejection: { code, status: 422, detail: 'The grant is not possible as asked; nothing of it was recorded.', errors },
    refused: grant.items.map(({ purpose }) => ({ purpose, code, detail: faults.get(purpose)?.detail ?? rest })),
  };
}

/** One reason for all of it. */
function wholly({ items }: Grant, rejection: Rejection): ContentFaults {
  const { code, detail } = rejection;
  return { rejection, refused: items.map(({ purpose }) => ({ purpose, code, detail })) };
}

export const standingRefusal: Rejection = {
  code: 'standing-refusal',
  status: 409,
  detail: 'A refusal of this person stands; only a new explicit grant of their own lifts it.',
};

/** This person has refused the purpose, or left behind an identifier told with the request when they were erased (REC-8). */
export function isRefusedStanding(state: SubjectState, purpose: PurposeId): boolean {
  const before = standingState(state, purpose);
  return state.suppressed === true || (before !== undefined && before.decision !== 'granted');
}

/** REC-7: only a person's own new grant lifts a refusal; an import, whatever date it claims, and a signal never do. */
function refusedStanding(state: SubjectState, { cause = 'person' }: Command, { items }: Grant): Rejection | null {
  if (cause === 'person') return null;
  const errors = items
    .filter(({ purpose }) => isRefusedStanding(state, purpose))
    .map(({ index }) => ({
      pointer: `/decisions/${index}/purpose`,
      detail: 'is refused by this person, and stays so until they grant it',
    }));
  return errors.length === 0 ? null : { ...standingRefusal, errors };
}

function faultOfNotice({ notice }: Grant, { catalogue }: DecisionContext): FieldFault | null {
  if (notice === undefined) return { pointer: '/notice', detail: 'is required to grant' };
  return catalogue.notices.has(notice) ? null : { pointer: '/notice', detail: 'is not a known notice and version' };
}

/** When the person decided: now, or, of an import, when it says, and never later than now. */
export function decidedAt({ cause, evidence }: Command, now: string): string {
  const told = cause === 'import' ? evidence?.clientTime : undefined;
  return told !== undefined && Date.parse(told) < Date.parse(now) ? told : now;
}

/** G-6 of an import: a consent given so long ago that it has run out since is none. */
function hasRunOut(item: GrantItem, command: Command, { catalogue, now }: DecisionContext): boolean {
  const days = catalogue.purposes.get(item.purpose)?.validityDays;
  if (days === undefined || item.validUntil !== undefined) return false;
  return Date.parse(now) >= Date.parse(endOfDay(decidedAt(command, now), days));
}

const dayMs = 24 * 3_600_000;

/** Midnight UTC after that many days: the same grant twice on one day is one grant. */
export const endOfDay = (now: string, days: number): string =>
  new Date((Math.floor(Date.parse(now) / dayMs) + 1 + days) * dayMs).toISOString();

function faultOfItem(item: GrantItem, { notice }: Grant, { catalogue, now }: DecisionContext): FieldFault | null {
  const at = `/decisions/${item.index}`;
  const purpose = catalogue.purposes.get(item.purpose);
  if (purpose === undefined) return { pointer: `${at}/purpose`, detail: 'is not a known purpose' };
  if (!purpose.active) return { pointer: `${at}/purpose`, detail: 'is not an active purpose' };
  const shown = notice === undefined ? undefined : catalogue.notices.get(notice);
  if (shown !== undefined && !Object.hasOwn(shown.purposes, item.purpose))
    return { pointer: `${at}/purpose`, detail: 'is not named by this notice' };
  if (notice !== undefined && needsRenewal(catalogue, notice, item.purpose))
    return { pointer: '/notice', detail: 'has a newer version that has to be accepted' };
  if (item.validUntil === undefined) return null;
  const left = Date.parse(item.validUntil) - Date.parse(now);
  if (!(left > 0)) return { pointer: `${at}/validUntil`, detail: 'must be in the future' };
  return left > longestGrantMs ? { pointer: `${at}/validUntil`, detail: 'must be within ten years' } : null;
}
