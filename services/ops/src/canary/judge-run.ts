/** What became of an item that was offered for sending; `failed` as well when nobody could say. */
export type Offered = 'sent' | 'denied' | 'held' | 'failed';

export const canaryResults = ['ok', 'late', 'lost', 'error'] as const;
export type CanaryResult = (typeof canaryResults)[number];

/** What one run has seen. Times in milliseconds; null where it has not come to that. */
export interface SeenRun {
  /** The positive control: offered while it was allowed. */
  readonly control: Offered;
  /** Offered after the withdrawal was answered by every gate. */
  readonly after: Offered;
  /** The tracker's word on the withdrawal at this recipient when the run ended. */
  readonly state: string | null;
  /** From the commit to the end of what was expected of the recipient. */
  readonly acceptedMs: number | null;
}

export interface CanaryVerdict {
  readonly result: CanaryResult;
  /** A word for the operator; null when all is well. */
  readonly reason: string | null;
  /** Data left after a withdrawal whose gates were all closed: an incident. */
  readonly leaked: boolean;
}

/** The first promise: 99 % accepted within 10 s (ops-and-ux.md, SLOs). */
const lateAfterMs = 10_000;
/** No answer by then counts as none. */
export const lostAfterMs = 60_000;

/**
 * One synthetic withdrawal, judged without a word of the gate's own: an item offered before it must have arrived, one offered
 * after it must not. Without the first the second proves nothing, so a control that did not arrive is never `ok`.
 */
export function judgeRun({ control, after, state, acceptedMs }: SeenRun): CanaryVerdict {
  if (after === 'sent') return { result: 'error', reason: 'sent-after-withdrawal', leaked: true };
  if (control !== 'sent') return { result: 'lost', reason: `control-${control}`, leaked: false };
  // It was sent a moment ago: a connector that says otherwise would let every other withdrawal pass as well.
  if (state === 'never-shared') return { result: 'error', reason: 'exposure-not-recorded', leaked: false };
  if (state === null) return { result: 'lost', reason: 'not-seen', leaked: false };
  if (acceptedMs === null || acceptedMs > lostAfterMs)
    return { result: 'lost', reason: state === 'parked' ? 'parked' : 'not-accepted', leaked: false };
  if (acceptedMs > lateAfterMs) return { result: 'late', reason: 'accepted-late', leaked: false };
  return { result: 'ok', reason: null, leaked: false };
}
