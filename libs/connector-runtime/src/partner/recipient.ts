import type { IdentifierKind, PlainText, PurposeId, RecipientId, SubjectKey } from '@entente/contracts';
import type { Egress, Gate, HttpRequest, Shareable } from '@entente/gate';
import type { Clock, Logger } from '@entente/observability';
import { union } from '../delivery-step/purpose-set.ts';
import type { RecipientLimits } from '../limits/recipient-limits.ts';
import type {
  AcceptedRevocation,
  Confirmation,
  ConfirmationOutcome,
  Erasure,
  GatedEgress,
  GatedReinstatement,
  PartnerContext,
  PartnerDefinition,
  PartnerLimits,
  ReadBack,
  ReadBackItem,
  Revocation,
  ShareItem,
  ShareOutcome,
} from './definition.ts';
import type { Outcome, RevocationOutcome } from './outcome.ts';
import { partnerHosts } from './partner-hosts.ts';
import { confirmedByReading } from './read-back.ts';

/** What one attempt may do, and what it did. */
export interface AttemptScope {
  /** Monotonic: nothing is begun after it, and what runs then is destroyed. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  /** The one trace this attempt belongs to, told to partners that are configured to hear it. */
  readonly traceparent?: string | undefined;
}

/** One configured recipient: its partner's code with its settings, limits and context bound to it. */
export interface BoundRecipient {
  readonly id: RecipientId;
  readonly partner: string;
  readonly identifiers: readonly IdentifierKind[];
  readonly limits: PartnerLimits;
  readonly shareBy: 'recipient' | 'purpose';
  readonly budget: RecipientLimits;
  /** The hard end of one HTTP call, from its start. */
  readonly attemptTimeoutMs: number;
  readonly reinstates: boolean;
  /** It can be asked what became of some accepted revocation: by `confirm`, or by reading the person back. */
  readonly confirms: boolean;
  /** Whether it can be asked about this one: what cannot be answered is never asked in vain. */
  asks(accepted: AcceptedRevocation): boolean;
  readonly readsBack: boolean;
  readonly erases: boolean;
  /** What the partner's documentation says about its own processing time. */
  readonly documentedDelay: PlainText;
  /** All purposes of this recipient in the gate's catalogue. */
  purposes(): readonly PurposeId[];
  share(batch: Shareable<ShareItem>[], scope: AttemptScope): Promise<ShareOutcome[]>;
  revoke(batch: readonly Revocation[], scope: AttemptScope): Promise<{ outcomes: RevocationOutcome[]; sent: boolean }>;
  reinstate(batch: readonly GatedReinstatement[], scope: AttemptScope): Promise<ShareOutcome[]>;
  /** Deletes each person, where the partner can (`erases`). */
  erase(batch: readonly Erasure[], scope: AttemptScope): Promise<{ outcomes: Outcome[]; sent: boolean }>;
  confirm(batch: readonly Confirmation[], scope: AttemptScope): Promise<ConfirmationOutcome[]>;
  readBack(batch: readonly ReadBackItem[], scope: AttemptScope): Promise<ReadBack[]>;
}

export interface BindOptions<S extends object> {
  readonly id: RecipientId;
  readonly definition: PartnerDefinition<S>;
  readonly settings: S;
  readonly gate: Pick<Gate, 'decide' | 'catalogue'>;
  readonly egress: Pick<Egress, 'within'>;
  /** Where it may be reached beside the addresses in its settings. */
  readonly extraHosts?: readonly string[];
  readonly budget: RecipientLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** As given to `egress`. */
  readonly attemptTimeoutMs?: number;
  /** Whether the partner is told the trace of a call about one person; it links their calls. */
  readonly tellsTrace?: boolean;
}

/** Hands a partner's code its context, and nothing that would let data past the gate. */
export function bindRecipient<S extends object>(options: BindOptions<S>): BoundRecipient {
  const { id, definition, settings, gate, budget, clock, attemptTimeoutMs = defaultAttemptTimeoutMs } = options;
  const egress = options.egress.within([...partnerHosts(definition, settings), ...(options.extraHosts ?? [])]);
  const log = options.log.child({ recipient: id });
  const purposes = (): readonly PurposeId[] => [...(gate.catalogue?.recipients.get(id)?.purposes ?? [])].sort();
  const allowed = (subjectKey: SubjectKey): PurposeId[] =>
    purposes().filter((purpose) => gate.decide({ subjectKey, purpose, recipient: id }).kind === 'allow');

  const traced = (request: HttpRequest, { traceparent }: AttemptScope): HttpRequest =>
    options.tellsTrace !== true || traceparent === undefined
      ? request
      : { ...request, headers: { ...request.headers, traceparent } };

  const contextOf = (
    scope: AttemptScope,
    used: { sent: boolean },
    stand?: readonly PurposeId[],
    urgency: 'urgent' | 'spare' = 'urgent',
  ): PartnerContext<S> => {
    const spent = (): Promise<boolean> =>
      urgency === 'urgent' ? budget.spendRequest(scope.signal) : budget.spendSpareRequest(scope.signal);
    const spend = async (neededMs: number): Promise<boolean> =>
      (await spent()) && clock.monotonic() + neededMs <= scope.deadline;
    const gated: GatedEgress = {
      share: async (items, build, o) =>
        // SHR-1: the attempt's hard end lies inside the window.
        (await spend(attemptTimeoutMs))
          ? egress.share(items, build, { signal: o?.signal ?? scope.signal })
          : { allowed: items, refused: [], sent: { kind: 'not-sent', why: 'deadline' } },
    };
    return {
      recipient: id,
      purposes: stand ?? purposes(),
      settings,
      egress: gated,
      call: async (request) => {
        if (!(await spend(leastCallMs))) return { kind: 'not-sent', why: 'deadline' };
        const timeoutMs = scope.deadline - clock.monotonic();
        const sent = await egress.call(traced(request, scope), {
          signal: scope.signal,
          timeoutMs: Math.min(timeoutMs, attemptTimeoutMs),
        });
        if (sent.kind === 'answered' || sent.kind === 'unclear') used.sent = true;
        return sent;
      },
      allowed,
      now: () => clock.now(),
      log,
      signal: scope.signal,
    };
  };

  const readBack = async (batch: readonly ReadBackItem[], scope: AttemptScope): Promise<ReadBack[]> => {
    const context = contextOf(scope, { sent: false }, batch[0]?.recipientPurposes, 'spare');
    const shown = (await definition.readBack?.(batch, context)) ?? [];
    return shown.map((each) => (each.kind === 'read' ? { ...each, served: union(each.served, []) } : each));
  };

  const readsBack = definition.readBack !== undefined && (definition.readable?.(settings) ?? true);
  const confirms = definition.confirm !== undefined || readsBack;

  return {
    id,
    partner: definition.partner,
    identifiers: definition.identifiers,
    limits: definition.limits,
    shareBy: definition.shareBy,
    budget,
    attemptTimeoutMs,
    reinstates: definition.reinstate !== undefined,
    confirms,
    asks: (accepted) => confirms && (definition.askable?.(settings, accepted) ?? true),
    readsBack,
    erases: definition.erase !== undefined,
    documentedDelay: definition.documentedDelay,
    purposes,
    share: (batch, scope) => definition.share(batch, contextOf(scope, { sent: false })),
    async revoke(batch, scope) {
      const used = { sent: false };
      const [first] = batch;
      const outcomes = await definition.revoke(batch, contextOf(scope, used, first?.recipientPurposes));
      return { outcomes, sent: used.sent };
    },
    reinstate: (batch, scope) =>
      definition.reinstate?.(batch, contextOf(scope, { sent: false })) ?? Promise.resolve([]),
    async erase(batch, scope) {
      const used = { sent: false };
      const outcomes = (await definition.erase?.(batch, contextOf(scope, used))) ?? [];
      return { outcomes, sent: used.sent };
    },
    confirm: (batch, scope) =>
      definition.confirm?.(batch, contextOf(scope, { sent: false }, batch[0]?.recipientPurposes, 'spare')) ??
      confirmedByReading(batch, (items) => readBack(items, scope), clock.now()),
    readBack,
  };
}

/** One HTTP call at a partner, connecting included; its documentation never promises less than this is too long. */
export const defaultAttemptTimeoutMs = 5_000;

/** A revocation call with less time than this left would be cut off in vain. */
const leastCallMs = 100;
