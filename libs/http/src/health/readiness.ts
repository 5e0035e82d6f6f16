import { Injectable } from '@nestjs/common';

export interface HealthCheck {
  readonly name: string;
  /** Resolves when fine; what it rejects with is logged by whoever owns the resource, the caller sees only `detail`. */
  check(): Promise<{ readonly ok: boolean; readonly detail?: string }>;
}

export interface HealthReport {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

/** A check that takes longer counts as failed: the probe that asks has a timeout of its own. */
const checkTimeoutMs = 2_000;

/** Whether this process wants traffic. Others may add checks; `drain` turns it off for good. */
@Injectable()
export class Readiness {
  readonly #checks: HealthCheck[];
  readonly #draining = new AbortController();

  constructor(checks: readonly HealthCheck[] = []) {
    this.#checks = [...checks];
  }

  add(check: HealthCheck): void {
    this.#checks.push(check);
  }

  /** Aborted when the process begins to stop: long-lived answers (SSE) end then. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  drain(): void {
    this.#draining.abort();
  }

  async report(): Promise<HealthReport> {
    const results = await Promise.all(this.#checks.map(async (check) => [check.name, await resultOf(check)] as const));
    const stopping = this.draining.aborted ? [['process', { ok: false, detail: 'stopping' }] as const] : [];
    const checks = Object.fromEntries([...stopping, ...results]);
    return { ready: Object.values(checks).every(({ ok }) => ok), checks };
  }
}

async function resultOf(check: HealthCheck): Promise<{ ok: boolean; detail?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ ok: boolean; detail: string }>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, detail: `no answer in ${checkTimeoutMs} ms` }), checkTimeoutMs);
  });
  try {
    return await Promise.race([check.check(), late]);
  } catch (error) {
    // The message may hold addresses or credentials and this page is public, so only the kind is told.
    return { ok: false, detail: error instanceof Error ? error.name : 'failed' };
  } finally {
    clearTimeout(timer);
  }
}
