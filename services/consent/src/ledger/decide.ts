import { isDenyDirection } from '@entente/contracts';
import type { Catalogue, ConsentVector, PurposeChange, PurposeId, PurposeState, RecipientId } from '@entente/contracts';
import type { DecidedPurpose, RefusedGrant, Rejection } from './answer.ts';
import type { Command, Deny, Grant, GrantItem } from './command.ts';
import type { DecisionContext, KeyStanding, SubjectState } from './decision-context.ts';
import {
  contentFaults,
  faultsInItself,
  decidedAt,
  endOfDay,
  isRefusedStanding,
  preconditionOf,
  standingRefusal,
} from './grant-rules.ts';
import { changesBetween, standingState, stateOf, withState } from './vector-access.ts';

interface Judged {
  readonly decisions: readonly DecidedPurpose[];
  /** Names the controller does not know. */
  readonly ignored: readonly string[];
  /** The granting part, when it was stopped while the denying part was not. */
  readonly refused: readonly RefusedGrant[];
  /** Every known purpose the request named and that was judged. */
  readonly named: readonly PurposeId[];
  /** The granting part was evaluated in full, so its Idempotency-Key is used up. */
  readonly usesKey: boolean;
}

export type Decided =
  | (Judged & {
      readonly kind: 'changed';
      readonly vector: ConsentVector;
      readonly changes: readonly PurposeChange[];
      readonly direction: 'deny' | 'grant';
    })
  | (Judged & { readonly kind: 'standing'; readonly alreadyDenied: boolean })
  /** Nothing to do: the answer given to this key before is the answer. */
  | { readonly kind: 'replayed' }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/** REC-3: the denying part by state alone; the granting part by its preconditions and its content, whole or not at all. */
export function decide(state: SubjectState, command: Command, key: KeyStanding, context: DecisionContext): Decided {
  const denied = denyPart(state, command, context);
  const grant = command.grant && toKnownRecipients(command.grant, context.catalogue);
  if (grant === undefined) {
    if (denied.named.length === 0) return { kind: 'rejected', rejection: nothingNamed(command, context) };
    return settle(state, denied.vector, { ...denied, refused: [], usesKey: false }, command);
  }
  const open = withoutStanding(state, command, grant, context);
  if (open !== null) {
    const decided = decide(state, { ...command, grant: open.grant }, key, context);
    return 'refused' in decided ? { ...decided, refused: [...decided.refused, ...open.refused] } : decided;
  }
  const stopped = preconditionOf(state.version, grant, key);
  const faults = stopped === null ? contentFaults(state, command, grant, context) : null;
  if (stopped === null && faults === null) {
    const items = grant.items.map((item) => ending(item, command, context));
    const take = command.cause === 'import' ? filled : granted;
    const vector = items.reduce((held, item) => take(held, item, grant, context.now), denied.vector);
    const named = [...denied.named, ...grant.items.map(({ purpose }) => purpose)];
    return settle(state, vector, { ...denied, named, refused: [], usesKey: true }, command);
  }
  // A precondition stops granting only: what a stopped grant would have taken away is taken away all the same. A repeated
  // request is no new wish, and one that is wrong in itself says nothing that could be relied on.
  const takesAway = stopped !== null && key !== 'answered';
  const vector = takesAway
    ? grant.items.reduce((held, item) => reduced(held, item, context.now), denied.vector)
    : denied.vector;
  const taken = grant.items.filter(({ purpose }) => vector[purpose] !== denied.vector[purpose]);
  const named = [...denied.named, ...taken.map(({ purpose }) => purpose)];
  if (key === 'answered' && vector === state.vector) return { kind: 'replayed' };
  if (named.length === 0)
    return { kind: 'rejected', rejection: stopped ?? faults?.rejection ?? noKnownPurpose(command) };
  const refused =
    stopped === null ? (faults?.refused ?? []) : grant.items.map(({ purpose }) => refusal(purpose, stopped));
  return settle(state, vector, { ...denied, named, refused, usesKey: false }, command);
}

const noKnownRecipient: Rejection = {
  code: 'no-known-recipient',
  status: 422,
  detail: 'None of the recipients named is known to this controller.',
  errors: [{ pointer: '/recipients', detail: 'names nobody who is known' }],
};

function noKnownPurpose({ deny }: Command): Rejection {
  const code = 'no-known-purpose';
  const detail = 'None of the purposes named is known to this controller.';
  // A person says no to everything there is, and there is nothing.
  if (deny?.purposes === 'all') return { code, status: 422, detail };
  const pointer = deny === undefined || deny.to === 'denied' ? '/decisions' : '/purposes';
  return { code, status: 422, detail, errors: [{ pointer, detail: 'names no known purpose' }] };
}

const nothingNamed = (command: Command, { catalogue }: DecisionContext): Rejection =>
  command.deny?.recipients?.every((recipient) => !catalogue.recipients.has(recipient)) === true
    ? noKnownRecipient
    : noKnownPurpose(command);

/**
 * REC-7 goes by subject × purpose: of a row of an import the other purposes are taken although one of them is refused. Null
 * where all or none of them are, or where the row is wrong in itself: a refusal that came later in the same file must not
 * mend it when the file is taken again. What a request of its own grants is taken as a whole or not at all.
 */
function withoutStanding(
  state: SubjectState,
  command: Command,
  grant: Grant,
  context: DecisionContext,
): { readonly grant: Grant; readonly refused: readonly RefusedGrant[] } | null {
  if (grant.key.kind !== 'by-state') return null;
  const items = grant.items.filter(({ purpose }) => !isRefusedStanding(state, purpose));
  if (items.length === 0 || items.length === grant.items.length) return null;
  if (faultsInItself(command, grant, context) !== null) return null;
  const refused = grant.items.filter((item) => !items.includes(item));
  return { grant: { ...grant, items }, refused: refused.map(({ purpose }) => refusal(purpose, standingRefusal)) };
}

const refusal = (purpose: PurposeId, { code, detail }: Rejection): RefusedGrant => ({ purpose, code, detail });

interface DenyPart {
  readonly vector: ConsentVector;
  readonly named: readonly PurposeId[];
  readonly ignored: readonly string[];
}

/** What the denying part makes of one subject's vector: the one named, or another key of the same person (REC-4). */
export function denyPart(state: SubjectState, command: Command, context: DecisionContext): DenyPart {
  const { deny, notice } = command;
  const { vector } = state;
  if (deny === undefined) return { vector, named: [], ignored: [] };
  const names = namesOf(deny, vector, context.catalogue);
  const isKnown = (purpose: PurposeId) =>
    context.catalogue.purposes.has(purpose) || stateOf(vector, purpose) !== undefined;
  const unknown = names.filter((purpose) => !isKnown(purpose));
  if (deny.recipients !== undefined)
    return withoutRecipients(state, deny.recipients, names.filter(isKnown), unknown, context);
  const named = names.filter(isKnown);
  const shown = notice !== undefined && context.catalogue.notices.has(notice) ? { notice } : {};
  const after = named.reduce((held, purpose) => {
    const before = standingState({ ...state, vector: held }, purpose);
    const deniedAlready = before !== undefined && before.decision !== 'granted';
    const decision = deny.objected?.includes(purpose) ? 'objected' : deny.to;
    return deniedAlready ? held : withState(held, purpose, { decision, since: context.now, ...shown });
  }, vector);
  return { vector: after, named, ignored: unknown };
}

/**
 * Refuses single recipients: the purposes stay granted for the others. What a recipient serves at this moment does not limit
 * what is refused of a grant: a purpose taken from it can be given back, and the notice accepted then names it still.
 */
function withoutRecipients(
  { vector, version }: SubjectState,
  recipients: readonly RecipientId[],
  named: readonly PurposeId[],
  unknown: readonly PurposeId[],
  { catalogue, now }: DecisionContext,
): DenyPart {
  const known = recipients.filter((recipient) => catalogue.recipients.has(recipient));
  const ignored = [...unknown, ...recipients.filter((recipient) => !catalogue.recipients.has(recipient))];
  if (known.length === 0) return { vector, named: [], ignored };
  const reachable = named.filter((purpose) => known.some((recipient) => isReachable(recipient, purpose, catalogue)));
  // Somebody without any record is refused all that was named, so that there is a record to answer with.
  const minded = version === 0 && reachable.length === 0 ? named : reachable;
  const after = named.reduce((held, purpose, index) => {
    if (stateOf(held, purpose) !== undefined) return reduced(held, { index, purpose, refused: known }, now);
    // Nobody asked yet, so nobody receives anything; that this person minded is recorded as a refusal.
    return minded.includes(purpose) ? withState(held, purpose, { decision: 'denied', since: now }) : held;
  }, vector);
  return { vector: after, named, ignored };
}

/** Whether the recipient serves the purpose, or could again be sent data for it under a notice there is. */
const isReachable = (recipient: RecipientId, purpose: PurposeId, { recipients, notices }: Catalogue): boolean =>
  recipients.get(recipient)?.purposes.includes(purpose) === true ||
  [...notices.values()].some(
    ({ purposes }) => Object.hasOwn(purposes, purpose) && purposes[purpose]?.includes(recipient) === true,
  );

/** "All" is every active purpose, and whatever else this person has granted. */
function namesOf({ purposes }: Deny, vector: ConsentVector, catalogue: Catalogue): PurposeId[] {
  if (purposes !== 'all') return [...new Set(purposes)];
  const active = [...catalogue.purposes.values()].filter((purpose) => purpose.active).map(({ id }) => id);
  const held = (Object.keys(vector) as PurposeId[]).filter((id) => stateOf(vector, id)?.decision === 'granted');
  return [...new Set([...active, ...held])].sort();
}

/** Refusing what is no recipient says nothing, and would let a vector grow beyond what a record can carry. */
const toKnownRecipients = (grant: Grant, catalogue: Catalogue): Grant => ({
  ...grant,
  items: grant.items.map(({ refused, ...item }) => {
    const known = refused?.filter((recipient) => catalogue.recipients.has(recipient)) ?? [];
    return known.length === 0 ? item : { ...item, refused: known };
  }),
});

/** A grant that names no end ends when its purpose says (G-6), counted from when the person decided. */
function ending(item: GrantItem, command: Command, { catalogue, now }: DecisionContext): GrantItem {
  const days = catalogue.purposes.get(item.purpose)?.validityDays;
  if (days === undefined || item.validUntil !== undefined) return item;
  return { ...item, validUntil: endOfDay(decidedAt(command, now), days) };
}

/** REC-7: an import fills what nobody has decided. From a grant that stands it only takes away: prolonging is the person's. */
const filled = (vector: ConsentVector, item: GrantItem, grant: Grant, since: string): ConsentVector =>
  stateOf(vector, item.purpose) === undefined ? granted(vector, item, grant, since) : reduced(vector, item, since);

function granted(vector: ConsentVector, item: GrantItem, { notice }: Grant, since: string): ConsentVector {
  const next: PurposeState = {
    decision: 'granted',
    ...(notice === undefined ? {} : { notice }),
    since,
    ...(item.validUntil === undefined ? {} : { validUntil: item.validUntil }),
    ...(item.refused === undefined ? {} : { refused: item.refused }),
  };
  const before = stateOf(vector, item.purpose);
  return before !== undefined && sameButSince(before, next) ? vector : withState(vector, item.purpose, next);
}

/** The part of a stopped grant that only takes away from a standing one: recipients refused, an earlier end. */
function reduced(vector: ConsentVector, item: GrantItem, since: string): ConsentVector {
  const before = stateOf(vector, item.purpose);
  if (before?.decision !== 'granted') return vector;
  const refused = [...new Set([...(before.refused ?? []), ...(item.refused ?? [])])].sort();
  const ends = [before.validUntil, item.validUntil].filter((end) => end !== undefined);
  const [validUntil] = ends
    .filter((end) => end === before.validUntil || Date.parse(end) > Date.parse(since))
    .sort((a, b) => Date.parse(a) - Date.parse(b));
  const next: PurposeState = {
    ...before,
    since,
    ...(validUntil === undefined ? {} : { validUntil }),
    ...(refused.length === 0 ? {} : { refused }),
  };
  return sameButSince(before, next) ? vector : withState(vector, item.purpose, next);
}

const sameButSince = (a: PurposeState, b: PurposeState): boolean =>
  a.decision === b.decision &&
  a.notice === b.notice &&
  a.lent === b.lent &&
  a.validUntil === b.validUntil &&
  (a.refused ?? []).join() === (b.refused ?? []).join();

type Unsettled = Omit<Judged, 'decisions'>;

function settle(state: SubjectState, after: ConsentVector, judged: Unsettled, command: Command): Decided {
  const { named, ignored, refused, usesKey } = judged;
  const before = state.vector;
  const decisions = named.flatMap((purpose) => {
    const stands = standingState({ ...state, vector: after }, purpose);
    return stands === undefined ? [] : [{ purpose, decision: stands.decision }];
  });
  const common = { decisions, ignored, refused, named, usesKey };
  if (after === before) {
    const denies = !usesKey || command.deny !== undefined;
    const isDenied =
      command.deny?.recipients !== undefined || decisions.every(({ decision }) => decision !== 'granted');
    return { ...common, kind: 'standing', alreadyDenied: denies && isDenied };
  }
  const direction = isDenyDirection(before, after) ? 'deny' : 'grant';
  const changes = changesBetween(before, after, command.cause ?? 'person');
  return { ...common, kind: 'changed', vector: after, changes, direction };
}
