/** A sliding budget of calls, as a value: the caller owns time. Calls beyond it wait; they are never refused. */
export interface RateBudget {
  /** Calls per window. */
  readonly calls: number;
  readonly perMs: number;
}

export interface RateState {
  /** Tokens left at `at`; below 0 when calls were promised for later. */
  readonly tokens: number;
  readonly at: number;
  /** The partner asked for silence until then. */
  readonly pausedUntil: number;
}

export const freshRate = (budget: RateBudget, now: number): RateState => ({
  tokens: burstOf(budget),
  at: now,
  pausedUntil: 0,
});

/** A tenth of the window's calls may go at once: partners count in windows of their own, whose edges we do not know. */
const burstOf = ({ calls }: RateBudget): number => Math.max(1, calls / 10);

const refilled = (state: RateState, budget: RateBudget, now: number): number =>
  Math.min(burstOf(budget), state.tokens + (Math.max(0, now - state.at) * budget.calls) / budget.perMs);

/** Takes one call: the state after it and how long the caller waits before making it. */
export function takeCall(state: RateState, budget: RateBudget, now: number): { state: RateState; waitMs: number } {
  const tokens = refilled(state, budget, now) - 1;
  const forToken = tokens >= 0 ? 0 : (-tokens * budget.perMs) / budget.calls;
  const forPause = Math.max(0, state.pausedUntil - now);
  return { state: { ...state, tokens, at: now }, waitMs: Math.max(forToken, forPause) };
}

/**
 * A call nobody waits for, made only while more than half of a burst is left, so that it never stands in the way of one
 * that hurries: the state after it, or how long to wait before asking again.
 */
export function takeSpareCall(
  state: RateState,
  budget: RateBudget,
  now: number,
): { state: RateState } | { waitMs: number } {
  const tokens = refilled(state, budget, now) - 1;
  const missing = Math.floor(burstOf(budget) / 2) - tokens;
  const waitMs = Math.max(state.pausedUntil - now, missing > 0 ? (missing * budget.perMs) / budget.calls : 0);
  return waitMs > 0 ? { waitMs } : { state: { ...state, tokens, at: now } };
}

/** Retry-After and its relatives: nobody calls before. A shorter wish never cancels a longer one. */
export const pauseUntil = (state: RateState, until: number): RateState => ({
  ...state,
  pausedUntil: Math.max(state.pausedUntil, until),
});
