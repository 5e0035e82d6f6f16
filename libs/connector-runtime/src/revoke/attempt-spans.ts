import type { RecipientId } from '@entente/contracts';
import type { Span, Tracing } from '@entente/observability';
import type { DeliveryRow } from '../store/delivery-rows.ts';
import type { Attempted } from './claims.ts';

/** A span for each person's attempt, though one call at the partner may serve many. */
export interface AttemptSpans {
  /** Of a call that concerns one person alone: the only one a partner could make sense of. */
  ofTheOnly(): string | undefined;
  /** The same attempts, each with the place in its trace that its acknowledgement continues from. */
  ended(attempts: readonly Attempted[]): Attempted[];
}

export function attemptSpans(recipient: RecipientId, rows: readonly DeliveryRow[], tracing: Tracing): AttemptSpans {
  const spans = new Map<string, Span>();
  for (const row of rows) {
    if (row.traceparent === null) continue;
    const attributes = {
      'entente.recipient': recipient,
      'entente.version': row.revokeVersion,
      'entente.attempt': row.attempts + 1,
    };
    const name = `${row.erasure ? 'erase' : 'revoke'} ${recipient}`;
    spans.set(row.subjectKey, tracing.begin(name, { kind: 'client', parent: row.traceparent, attributes }));
  }
  return {
    ofTheOnly: () => (rows.length === 1 ? [...spans.values()][0]?.traceparent : undefined),
    ended: (attempts) =>
      attempts.map((attempt) => {
        const span = spans.get(attempt.row.subjectKey);
        if (span === undefined) return attempt;
        const { outcome } = attempt;
        const settles = outcome.kind === 'applied' || outcome.kind === 'nothing-to-do';
        span.end({ 'entente.outcome': outcome.kind }, settles ? undefined : outcome.why);
        return { ...attempt, traceparent: span.traceparent };
      }),
  };
}
