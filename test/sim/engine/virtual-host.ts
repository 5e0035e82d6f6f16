import nodeCrypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';
import type { Random } from './random.ts';
import type { Happening, Scheduler } from './scheduler.ts';

/** True time at the beginning of every run: 2026-11-01T10:00:00Z. */
export const beginningMs = 1_793_527_200_000;
/** A timer is never early and a little late, milliseconds. */
const latenessMs = 0.6;

/** The run whose time the process-wide timers, clocks and random numbers now are. */
interface Run {
  readonly scheduler: Scheduler;
  /** For ids that shipped code draws from node:crypto. */
  readonly ids: Random;
  readonly jitter: Random;
}

let run: Run | null = null;
let installed = false;

function active(): Run {
  if (run === null) throw new Error('no simulation is running');
  return run;
}

/** Monotonic milliseconds of the process whose event is being handled. */
export function monotonicNow(): number {
  const { scheduler } = active();
  return 1_000 + scheduler.now * (1 + (scheduler.current?.drift ?? 0));
}

/** Wall time of the process whose event is being handled. */
export function wallNow(): number {
  const { scheduler } = active();
  const { drift = 0, wallOffsetMs = 0 } = scheduler.current ?? {};
  return Math.floor(beginningMs + scheduler.now * (1 + drift) + wallOffsetMs);
}

/** What `setTimeout` gives back. */
class VirtualTimer {
  happening: Happening | null = null;
  readonly arm: () => void;

  constructor(ms: number, again: boolean, act: () => void) {
    const { scheduler, jitter } = active();
    const owner = scheduler.current;
    const wait = Math.max(1, Number.isFinite(ms) ? ms : 1) / (1 + (owner?.drift ?? 0));
    this.arm = () => {
      this.happening = scheduler.after(
        wait + jitter.next() * latenessMs,
        () => {
          this.happening = null;
          if (again) this.arm();
          act();
        },
        owner,
      );
    };
    this.arm();
  }

  close(): this {
    if (this.happening !== null) this.happening.cancelled = true;
    this.happening = null;
    return this;
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  refresh(): this {
    this.close();
    this.arm();
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

type Act = (...args: unknown[]) => void;

const startTimer =
  (again: boolean) =>
  (act: Act, ms = 1, ...args: unknown[]): VirtualTimer =>
    new VirtualTimer(ms, again, () => act(...args));

const stopTimer = (timer: unknown): void => {
  if (timer instanceof VirtualTimer) timer.close();
};

function pause<T>(ms = 1, value?: T, options: { signal?: AbortSignal } = {}): Promise<T | undefined> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const aborted = (): Error => new DOMException('The operation was aborted', 'AbortError');
    if (signal?.aborted) return reject(aborted());
    const timer = new VirtualTimer(ms, false, () => {
      signal?.removeEventListener('abort', stop);
      resolve(value);
    });
    const stop = (): void => {
      timer.close();
      reject(aborted());
    };
    signal?.addEventListener('abort', stop, { once: true });
  });
}

const soon = <T>(value?: T): Promise<T | undefined> =>
  new Promise((resolve) => {
    const { scheduler } = active();
    scheduler.after(0, () => resolve(value));
  });

function timeoutSignal(ms: number): AbortSignal {
  const controller = new AbortController();
  new VirtualTimer(ms, false, () => controller.abort(new DOMException('The operation timed out', 'TimeoutError')));
  return controller.signal;
}

function uuid(): string {
  const hex = active().ids.bytes(16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

const randomInt = (low: number, high?: number): number =>
  high === undefined ? active().ids.below(low) : low + active().ids.below(high - low);

/**
 * Puts virtual time and seeded randomness in the place of this process's own: timers, clocks, AbortSignal.timeout,
 * node:timers/promises, node:crypto's random functions, Math.random. So the shipped code runs unchanged, down to its pauses.
 */
function install(): void {
  if (installed) return;
  installed = true;
  const replaced: Record<string, unknown> = {
    setTimeout: startTimer(false),
    setInterval: startTimer(true),
    setImmediate: (act: Act, ...args: unknown[]) => active().scheduler.after(0, () => act(...args)),
    clearTimeout: stopTimer,
    clearInterval: stopTimer,
  };
  for (const [name, value] of Object.entries(replaced)) Reflect.set(globalThis, name, value);
  Reflect.set(AbortSignal, 'timeout', timeoutSignal);
  Reflect.set(Date, 'now', wallNow);
  Object.defineProperty(performance, 'now', { value: monotonicNow });
  Reflect.set(Math, 'random', () => active().ids.next());
  Reflect.set(timersPromises, 'setTimeout', pause);
  Reflect.set(timersPromises, 'setImmediate', soon);
  Reflect.set(nodeCrypto, 'randomUUID', uuid);
  Reflect.set(nodeCrypto, 'randomBytes', (count: number) => active().ids.bytes(count));
  Reflect.set(nodeCrypto, 'randomInt', randomInt);
  syncBuiltinESMExports();
}

/** From here on this process lives in `next`. */
export function liveIn(next: Run): void {
  install();
  run = next;
}
