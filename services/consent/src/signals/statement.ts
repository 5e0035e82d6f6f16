import type { PurposeId, RecipientId } from '@entente/contracts';

export const signalKinds = ['gpc', 'tcf', 'gpp', 'att'] as const;
/** Global Privacy Control, IAB TCF, IAB GPP, Apple App Tracking Transparency. */
export type SignalKind = (typeof signalKinds)[number];

/**
 * What a signal says of one purpose. `nothing`: it concerns the purpose, and neither forbids nor permits it. The absence of
 * an opt-out is `nothing`, never `allows`: only a TC string carries a choice made for each purpose.
 */
export interface Statement {
  readonly purpose: PurposeId;
  readonly says: 'denies' | 'allows' | 'nothing';
  /** Stable word: which part of the signal says it. */
  readonly because: string;
  /** Recipients the signal excludes by name; never empty. */
  readonly refuses?: readonly RecipientId[];
}

/** A signal as read: of every purpose it concerns, one statement. */
export interface ReadSignal {
  readonly kind: 'read';
  readonly statements: readonly Statement[];
  /** Why nothing in it can permit anything, in words for whoever sent it. What it denies counts all the same. */
  readonly faults: readonly string[];
  /** Not before this instant the person made the choice, ISO 8601; absent where the signal carries no choice. */
  readonly actedAt?: string;
}

export type Reading = ReadSignal | { readonly kind: 'unreadable'; readonly detail: string };

const rank = { nothing: 0, allows: 1, denies: 2 } as const;

/** The most restrictive of several statements about each purpose; what any of them refuses is refused. */
export function mostRestrictive(statements: readonly Statement[]): Statement[] {
  const byPurpose = new Map<PurposeId, Statement>();
  for (const statement of statements) {
    const held = byPurpose.get(statement.purpose);
    const worse = held === undefined || rank[statement.says] > rank[held.says] ? statement : held;
    const refuses = [...new Set([...(held?.refuses ?? []), ...(statement.refuses ?? [])])].sort();
    const { refuses: _refuses, ...said } = worse;
    byPurpose.set(statement.purpose, { ...said, ...(refuses.length === 0 ? {} : { refuses }) });
  }
  return [...byPurpose.values()].sort((a, b) => (a.purpose < b.purpose ? -1 : 1));
}
