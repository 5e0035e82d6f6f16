import { needsRenewal } from '@entente/contracts';
import type { Catalogue, Decision, NoticeRef, Purpose, PurposeId, RecipientId } from '@entente/contracts';
import type { Deny, GrantItem } from '../ledger/command.ts';
import type { ReadSignal, Statement } from './statement.ts';

/** What stands for a purpose before the signal. */
export interface Standing {
  readonly decision: Decision;
  readonly since: string;
  readonly refused: readonly RecipientId[];
}

/** SIG-1, SIG-3: what a signal takes away, whatever else it says and whatever is wrong with it. */
export interface TakenAway {
  readonly deny?: Deny;
  /** Recipients that standing grants lose. */
  readonly narrowed: readonly GrantItem[];
}

export function takenAway({ statements }: ReadSignal, { purposes }: Pick<Catalogue, 'purposes'>): TakenAway {
  const denied = statements.filter(({ says }) => says === 'denies').map(({ purpose }) => purpose);
  // Art. 21: what does not rest on consent is objected to.
  const objected = denied.filter((purpose) => purposes.get(purpose)?.legalBasis === 'legitimate-interest');
  const narrowed = statements.flatMap(({ purpose, says, refuses }) =>
    says === 'denies' || refuses === undefined ? [] : [{ purpose, refused: refuses }],
  );
  return {
    narrowed: narrowed.map((item, index) => ({ ...item, index })),
    ...(denied.length === 0
      ? {}
      : { deny: { purposes: denied, to: 'denied', ...(objected.length === 0 ? {} : { objected }) } }),
  };
}

/** Why a purpose that a signal permits is not granted by it. */
export type HeldBack =
  | 'not-a-consent'
  | 'purpose-inactive'
  | 'needs-explicit-statement'
  | 'needs-age'
  | 'notice-required'
  | 'notice-unknown'
  | 'notice-does-not-name-it'
  | 'notice-outdated'
  | 'standing-refusal'
  | 'granted-since'
  | 'too-old'
  | 'insufficient-scope';

export interface GrantSurroundings {
  readonly catalogue: Catalogue;
  /** The notice under which the choice was made. */
  readonly notice?: NoticeRef;
  readonly mayGrant: boolean;
  readonly standing: ReadonlyMap<PurposeId, Standing>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Granting {
  readonly items: readonly GrantItem[];
  readonly heldBack: ReadonlyMap<PurposeId, HeldBack>;
}

/** TCF policies: a person is reminded of their choices at least every 13 months; so long does one act last (G-6). */
const longestActDays = 395;
const dayMs = 24 * 3_600_000;

/**
 * SIG-2: a signal grants only a person's choice in a valid TC string, for a purpose that rests on consent alone, under a
 * notice that names it, and only where nothing has been decided yet or an older grant is renewed. Whatever was refused,
 * withdrawn, objected to or has run out stays so until the person says otherwise here.
 */
export function granting(signal: ReadSignal, surroundings: GrantSurroundings): Granting {
  const items: GrantItem[] = [];
  const heldBack = new Map<PurposeId, HeldBack>();
  for (const statement of signal.statements) {
    const purpose = surroundings.catalogue.purposes.get(statement.purpose);
    if (statement.says !== 'allows' || signal.actedAt === undefined || purpose === undefined) continue;
    const item = itemOf(statement, Date.parse(signal.actedAt), purpose, surroundings);
    if (typeof item === 'string') heldBack.set(statement.purpose, item);
    else items.push({ ...item, index: items.length });
  }
  return { items, heldBack };
}

function itemOf(
  statement: Statement,
  actedAt: number,
  purpose: Purpose,
  surroundings: GrantSurroundings,
): Omit<GrantItem, 'index'> | HeldBack {
  const standing = surroundings.standing.get(purpose.id);
  const reason = againstPurpose(purpose) ?? againstStanding(standing, actedAt) ?? againstNotice(purpose, surroundings);
  if (reason !== null) return reason;
  const ends = actedAt + Math.min(longestActDays, purpose.validityDays ?? Infinity) * dayMs;
  if (!(ends > surroundings.now)) return 'too-old';
  // A renewal gives back no recipient the person has refused.
  const refused = [...new Set([...(standing?.refused ?? []), ...(statement.refuses ?? [])])].sort();
  return {
    purpose: purpose.id,
    validUntil: new Date(ends).toISOString(),
    ...(refused.length === 0 ? {} : { refused }),
  };
}

function againstPurpose({ legalBasis, active, explicit, minAge }: Purpose): HeldBack | null {
  if (legalBasis !== 'consent') return 'not-a-consent';
  if (!active) return 'purpose-inactive';
  if (explicit === true) return 'needs-explicit-statement';
  return minAge === undefined ? null : 'needs-age';
}

function againstStanding(standing: Standing | undefined, actedAt: number): HeldBack | null {
  if (standing === undefined) return null;
  if (standing.decision !== 'granted') return 'standing-refusal';
  return Date.parse(standing.since) < actedAt ? null : 'granted-since';
}

function againstNotice({ id }: Purpose, { catalogue, notice, mayGrant }: GrantSurroundings): HeldBack | null {
  if (notice === undefined) return 'notice-required';
  const shown = catalogue.notices.get(notice);
  if (shown === undefined) return 'notice-unknown';
  if (!Object.hasOwn(shown.purposes, id)) return 'notice-does-not-name-it';
  if (needsRenewal(catalogue, notice, id)) return 'notice-outdated';
  return mayGrant ? null : 'insufficient-scope';
}
