/** What an answer of a partner means for one person (DLV-4). The runtime alone decides what follows from it. */
export type Outcome =
  /** The partner really said so. `reference` is its own name for the accepted request. */
  | { readonly kind: 'applied'; readonly reference?: string }
  /** The partner's own code says that there is nothing to revoke: unknown person, already so. */
  | { readonly kind: 'nothing-to-do'; readonly why: string }
  /** It did not happen and may be tried again; `afterMs` is the partner's own wish. */
  | { readonly kind: 'retry'; readonly why: string; readonly afterMs?: number }
  /** It did not happen and trying again would not help: a person must look. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Bytes left and no clean answer came: it may or may not have happened. */
  | { readonly kind: 'unclear'; readonly why: string };

/**
 * What a revocation may come to beside: this partner has no call that takes back what it was given. The gate has closed, and
 * that is all there is (ADR 27).
 */
interface NotRecalled {
  readonly kind: 'not-recalled';
  readonly why: string;
}

export type RevocationOutcome = Outcome | NotRecalled;

/** Why of a plan without a single call. The runtime accepts it only where nothing was to be revoked. */
export const noCallNeeded = 'no-call-needed';

/** How bad an outcome is for the claim "the partner has accepted": a compound call is as good as its worst part. */
const severity: Readonly<Record<Outcome['kind'], number>> = {
  'nothing-to-do': 0,
  applied: 1,
  retry: 2,
  unclear: 3,
  refused: 4,
};

/**
 * The outcome of several calls made for one person: the worst of them. `refused` is worse than `unclear`, because no
 * repetition ends it. A part that may have happened makes a mere `retry` of another part unclear as well, by order.
 */
export function worstOutcome(outcomes: readonly Outcome[]): Outcome {
  const [first, ...rest] = outcomes;
  if (!first) return { kind: 'nothing-to-do', why: noCallNeeded };
  const worst = rest.reduce((bad, next) => (severity[next.kind] > severity[bad.kind] ? next : bad), first);
  return worst.kind === 'applied' ? allApplied(outcomes) : worst;
}

/** A partner may name each of several requests: all of them are asked about later (`referencesIn`). */
function allApplied(outcomes: readonly Outcome[]): Outcome {
  const named = outcomes.flatMap((outcome) => (outcome.kind === 'applied' ? (outcome.reference ?? []) : []));
  const reference = [...new Set(named)].join(' ');
  return { kind: 'applied', ...(reference === '' ? {} : { reference }) };
}

/** The partner's names of the requests behind one accepted revocation. */
export const referencesIn = (reference: string | undefined): string[] => reference?.split(' ') ?? [];
