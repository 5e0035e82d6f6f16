import type { SubjectKey } from '@entente/contracts';
import type { EventPublisher } from '@entente/kafka';
import type { Clock, Logger } from '@entente/observability';
import { setTimeout as pause } from 'node:timers/promises';
import type { GateIdentity } from './beats.ts';
import { gateRecord } from './gate-records.ts';

/** Per record, so that one fits any broker's message limit. */
const maxPerRecord = 500;
/** `wait=gates` has given up long before; this is for the tracker's *gate closed*. */
const freshMs = 60_000;
const retryMs = 100;
/** Confirmations waiting for Kafka; beyond it the oldest are dropped, which only delays. */
const maxWaiting = 50_000;
/** Versions remembered as confirmed, so that a change's second lane is not confirmed twice. */
const maxRemembered = 20_000;

interface Waiting {
  readonly version: number;
  readonly closedAt: string;
  readonly since: number;
}

export interface ConfirmationsSetting {
  readonly identity: GateIdentity;
  readonly publisher: EventPublisher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly databaseClock: () => { readonly offsetMs: number; readonly errorMs: number } | undefined;
}

/**
 * GATE-6: tells at once that the replica holds a version and that no send decided before it is unwritten. The second half
 * needs no waiting: the egress decides and writes in one tick, so after the tick that applied the change there is none.
 * A body larger than the socket's buffer counts as started.
 */
export class Confirmations {
  readonly #setting: ConfirmationsSetting;
  readonly #waiting = new Map<SubjectKey, Waiting>();
  readonly #confirmed = new Map<SubjectKey, number>();
  readonly #stopped = new AbortController();
  #flushing: Promise<void> | null = null;

  constructor(setting: ConfirmationsSetting) {
    this.#setting = setting;
  }

  /** Called after the commit, for each deny-direction change read. Never blocks; sent with its tick's others. */
  closed(subjectKey: SubjectKey, version: number, closedAtWallMs: number): void {
    if ((this.#confirmed.get(subjectKey) ?? 0) >= version) return;
    remember(this.#confirmed, subjectKey, version, maxRemembered);
    const closedAt = new Date(closedAtWallMs).toISOString();
    remember(this.#waiting, subjectKey, { version, closedAt, since: this.#setting.clock.monotonic() }, maxWaiting);
    this.#flushing ??= Promise.resolve()
      .then(() => this.#flush())
      .catch((err: unknown) => this.#setting.log.error({ err }, 'gate confirmations cannot be written'))
      .finally(() => {
        this.#flushing = null;
      });
  }

  /** Sends what is waiting as far as Kafka takes it at once. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#flushing;
  }

  async #flush(): Promise<void> {
    const { publisher, clock, log } = this.#setting;
    while (this.#waiting.size > 0) {
      const taken = [...this.#waiting].slice(0, maxPerRecord);
      for (const [subjectKey] of taken) this.#waiting.delete(subjectKey);
      const [result] = await publisher.publish([this.#record(taken)]);
      if (result?.ok) continue;
      log.warn({ err: result?.error, count: taken.length }, 'gate confirmations will be sent again');
      for (const [subjectKey, waiting] of taken) {
        if (clock.monotonic() - waiting.since > freshMs || this.#waiting.has(subjectKey)) continue;
        this.#waiting.set(subjectKey, waiting);
      }
      if (this.#stopped.signal.aborted) return;
      await pause(retryMs);
    }
  }

  #record(taken: readonly (readonly [SubjectKey, Waiting])[]) {
    const { identity, clock, databaseClock } = this.#setting;
    const measured = databaseClock();
    const data = {
      start: identity.start,
      gate: identity.gate,
      controller: identity.controller,
      recipients: identity.recipients,
      confirmed: taken.map(([subjectKey, { version, closedAt }]) => ({ subjectKey, version, closedAt })),
      ...(measured === undefined ? {} : { clock: { offsetMs: measured.offsetMs, errorMs: measured.errorMs } }),
    };
    return gateRecord('org.entente.gate.confirmed.v1', data, clock.now());
  }
}

/** Keeps the newest entries of a map that grows with traffic. */
function remember<V>(map: Map<SubjectKey, V>, key: SubjectKey, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= most) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
