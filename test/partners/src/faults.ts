import { isRecord } from './narrow.ts';
import { type Rate, RateWindow } from './rate-window.ts';

interface Aim {
  /** Operation name, or a prefix ending in `*`; absent = every operation. */
  readonly match?: string;
  /** Only requests that carry this identifier. */
  readonly identifier?: string;
  /** How often it strikes before it is spent; absent = always. */
  readonly times?: number;
  /** 0 to 1; absent = 1. */
  readonly probability?: number;
}

/** Waits before the request is looked at, or (`answer`) after it took effect and before it is answered. */
type SlowFault = Aim & { readonly kind: 'slow'; readonly ms: number; readonly when?: 'before' | 'answer' };
/** `reset` (default): connections are accepted and reset. `refuse`: nobody listens (whole server, no aim). */
export type DownFault = Aim & { readonly kind: 'down'; readonly how?: 'reset' | 'refuse' };
/** An error answer without effect, in the partner's own shape unless `body` is given. Codes are for Meta's error object. */
export type StatusFault = Aim & {
  readonly kind: 'status';
  readonly code: number;
  readonly body?: unknown;
  readonly errorCode?: number;
  readonly errorSubcode?: number;
};
/** The partner's own throttling signal: always, or with `rate` only beyond it. */
type ThrottleFault = Aim & {
  readonly kind: 'throttle';
  readonly retryAfterMs?: number;
  readonly rate?: Rate;
  readonly policyName?: string;
};
/** 200 with garbage instead of JSON, without effect. */
type HtmlFault = Aim & { readonly kind: 'html'; readonly code?: number };
/** The first `rows` (default 1) identifiers of the request count as invalid. */
type BadRowFault = Aim & { readonly kind: 'badRow'; readonly rows?: number };
/** Accepted now; the asynchronous job behind it fails when it runs: all of it, or its first `rows`. */
type FailLaterFault = Aim & { readonly kind: 'failLater'; readonly rows?: number };
/** The partner's own 200 that is not success; `how` chooses one where it has several. */
type LieFault = Aim & { readonly kind: 'lie'; readonly how?: string };
/** The answer's body comes in pieces of `bytes` (default 1) every `ms`. */
export type DripFault = Aim & { readonly kind: 'drip'; readonly ms: number; readonly bytes?: number };
/**
 * `ignore` = a success answer without effect; `loseAnswer` = takes
 * effect, then the socket is reset unanswered; `malformed` = takes effect, truncated JSON; `empty` = takes effect, a 200
 * without a body; `wrongTypes` = takes effect, JSON whose members are of other types; `authExpired` = credentials count as expired.
 */
type PlainFault = Aim & {
  readonly kind: 'ignore' | 'loseAnswer' | 'malformed' | 'empty' | 'wrongTypes' | 'authExpired';
};

export type Fault =
  | SlowFault
  | DownFault
  | StatusFault
  | ThrottleFault
  | HtmlFault
  | BadRowFault
  | FailLaterFault
  | LieFault
  | DripFault
  | PlainFault;

const kinds: ReadonlySet<string> = new Set<Fault['kind']>([
  'slow',
  'down',
  'status',
  'throttle',
  'lie',
  'ignore',
  'loseAnswer',
  'html',
  'malformed',
  'empty',
  'wrongTypes',
  'badRow',
  'failLater',
  'drip',
  'authExpired',
]);
const needed: Readonly<Record<string, string>> = { slow: 'ms', drip: 'ms', status: 'code' };
const numbers = ['times', 'probability', 'ms', 'code', 'errorCode', 'errorSubcode', 'retryAfterMs', 'rows', 'bytes'];

function isFault(value: unknown): value is Fault {
  return faultIn(value) === undefined;
}

/** What is wrong with a fault description, undefined when nothing is. */
function faultIn(value: unknown): string | undefined {
  if (!isRecord(value)) return 'a fault must be an object';
  const kind = value['kind'];
  if (typeof kind !== 'string' || !kinds.has(kind))
    return `unknown kind ${String(kind)}, one of ${[...kinds].join(', ')}`;
  const need = needed[kind];
  if (need !== undefined && typeof value[need] !== 'number') return `${kind} needs a number ${need}`;
  const wrong = numbers.find((name) => value[name] !== undefined && !(Number(value[name]) >= 0));
  return wrong === undefined ? undefined : `${wrong} must be a number of at least 0`;
}

/** One fault, a list, or `{faults: [...]}`; throws with what is wrong. */
export function parseFaults(value: unknown): readonly Fault[] {
  const given: unknown = isRecord(value) && 'faults' in value ? value['faults'] : value;
  const faults: readonly unknown[] = Array.isArray(given) ? given : [given];
  for (const fault of faults) if (!isFault(fault)) throw new Error(faultIn(fault));
  return faults.filter(isFault);
}

interface Armed {
  readonly fault: Fault;
  readonly window: RateWindow | undefined;
  hits: number;
}

/** mulberry32: small, seedable, good enough to choose which requests suffer. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const aimedAt = (fault: Fault, op: string, identifiers: ReadonlySet<string>): boolean =>
  (fault.match === undefined ||
    fault.match === op ||
    (fault.match.endsWith('*') && op.startsWith(fault.match.slice(0, -1)))) &&
  (fault.identifier === undefined || identifiers.has(fault.identifier));

/** The faults in force. Several may strike one request; each counts its own hits. */
export class FaultSet {
  #armed: Armed[] = [];
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  arm(faults: readonly Fault[]): void {
    this.#armed = faults.map((fault) => ({
      fault,
      window: fault.kind === 'throttle' && fault.rate !== undefined ? new RateWindow(fault.rate) : undefined,
      hits: 0,
    }));
  }

  list(): readonly (Fault & { hits: number })[] {
    return this.#armed.map(({ fault, hits }) => ({ ...fault, hits }));
  }

  /** The server-wide outage in force, if any. */
  outage(): DownFault | undefined {
    const armed = this.#armed.find(({ fault }) => isOutage(fault));
    return armed !== undefined && this.#strikes(armed) && armed.fault.kind === 'down' ? armed.fault : undefined;
  }

  /** True while nobody should listen. */
  refusing(): boolean {
    return this.#armed.some(({ fault }) => isOutage(fault) && fault.kind === 'down' && fault.how === 'refuse');
  }

  /** The faults that strike this request, in the order given. */
  strike(op: string, identifiers: ReadonlySet<string>, nowMs: number): readonly Fault[] {
    return this.#armed
      .filter((armed) => !isOutage(armed.fault) && aimedAt(armed.fault, op, identifiers))
      .filter((armed) => armed.window === undefined || !armed.window.take(nowMs).allowed)
      .filter((armed) => this.#strikes(armed))
      .map(({ fault }) => fault);
  }

  #strikes(armed: Armed): boolean {
    const { times, probability } = armed.fault;
    if (times !== undefined && armed.hits >= times) return false;
    if (probability !== undefined && this.#random() >= probability) return false;
    armed.hits += 1;
    return true;
  }
}

/** A `down` without aim takes the whole server away, before any request can be read. */
export const isOutage = (fault: Fault): boolean =>
  fault.kind === 'down' && fault.match === undefined && fault.identifier === undefined;
