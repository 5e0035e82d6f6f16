/** A rolling budget of calls, as a value: the caller owns time. Calls beyond it wait; they are never refused. */
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
  /** When the calls of the last window went or will go, oldest first. */
  readonly made: readonly number[];
}

export const freshRate = (budget: RateBudget, now: number): RateState => ({
  tokens: burstOf(budget),
  at: now,
  pausedUntil: 0,
  made: [],
});

/**
 * So much of the window's calls may go at once: partners count in windows of their own, whose edges we do not know. The others
 * share the whole window among them, so that none of it is left over in which nobody may call because all have called.
 */
const burstShare = 0.03;
const burstOf = ({ calls }: RateBudget): number => Math.max(1, calls * burstShare);

/** Milliseconds from one call to the next, where there is no burst to take from. */
const betweenMs = ({ calls, perMs }: RateBudget): number => perMs / (calls * (1 - burstShare));

/**
 * The window is kept this much longer than the partner's: what went out evenly arrives unevenly. A hundredth costs as much of the
 * budget.
 */
const windowMs = ({ perMs }: RateBudget): number => perMs * 1.01;

const refilled = (state: RateState, budget: RateBudget, now: number): number =>
  Math.min(burstOf(budget), state.tokens + Math.max(0, now - state.at) / betweenMs(budget));

/**
 * When a window has room for one more call and `spared` others, by what was made in it: a burst after a pause would otherwise come
 * on top of the calls before the pause, which the partner still counts.
 */
function roomAt({ made }: RateState, budget: RateBudget, spared: number): number {
  const inTheWay = made.at(-Math.max(1, Math.floor(budget.calls) - spared));
  return inTheWay === undefined ? 0 : inTheWay + windowMs(budget);
}

function taken(state: RateState, budget: RateBudget, tokens: number, now: number, goesAt: number): RateState {
  const counted = state.made.findIndex((at) => at > now - windowMs(budget));
  const made = counted === -1 ? [] : state.made.slice(counted);
  return { ...state, tokens, at: now, made: [...made, goesAt] };
}

/** Takes one call: the state after it and how long the caller waits before making it. */
export function takeCall(state: RateState, budget: RateBudget, now: number): { state: RateState; waitMs: number } {
  const tokens = refilled(state, budget, now) - 1;
  const forToken = tokens >= 0 ? 0 : -tokens * betweenMs(budget);
  const goesAt = Math.max(now + forToken, state.pausedUntil, roomAt(state, budget, 0));
  return { state: taken(state, budget, tokens, now, goesAt), waitMs: goesAt - now };
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
  const spared = Math.floor(burstOf(budget) / 2);
  const missing = spared - tokens;
  const forTokens = missing > 0 ? missing * betweenMs(budget) : 0;
  const waitMs = Math.max(state.pausedUntil - now, roomAt(state, budget, spared) - now, forTokens);
  return waitMs > 0 ? { waitMs } : { state: taken(state, budget, tokens, now, now) };
}

/** Retry-After and its relatives: nobody calls before. A shorter wish never cancels a longer one. */
export const pauseUntil = (state: RateState, until: number): RateState => ({
  ...state,
  pausedUntil: Math.max(state.pausedUntil, until),
});
