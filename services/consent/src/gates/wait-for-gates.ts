import type { ControllerId, GateStartId, SubjectKey } from '@entente/contracts';
import type { Clock, Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { Confirmations } from './confirmations.ts';

/** What a `wait=gates` answer says about the gates. */
export interface GatesAnswer {
  /** Gate starts that confirmed the version. */
  readonly confirmed: number;
  /** Gate starts whose leases have run out instead. */
  readonly expired: number;
  readonly waitedMs: number;
}

export interface GateWaiterParts {
  readonly pool: Pool;
  readonly confirmations: Confirmations;
  readonly clock: Clock;
  readonly log: Logger;
  /** *D* in milliseconds: no lease outlives it. */
  readonly maxStalenessMs: number;
}

const startsSql = 'SELECT start_id AS "startId" FROM gate WHERE controller = $1';
/** Pause before the gate table is asked again, in milliseconds. */
const retryMs = 100;

/** GATE-6: answers when every gate start in the table read after the commit has confirmed, or *D* has passed. */
export class GateWaiter {
  readonly #parts: GateWaiterParts;

  constructor(parts: GateWaiterParts) {
    this.#parts = parts;
  }

  /** @param committed false when the answer rests on a read: then the time runs from the table's read, else from now. */
  async wait(
    controller: ControllerId,
    subjectKey: SubjectKey,
    version: number,
    committed: boolean,
  ): Promise<GatesAnswer> {
    const { clock, confirmations, maxStalenessMs } = this.#parts;
    const calledAt = clock.monotonic();
    const starts = await this.#starts(controller, calledAt + maxStalenessMs);
    // A table that cannot be read may hold any gate, so all the time there is is waited out.
    const from = committed ? calledAt : clock.monotonic();
    const deadline = AbortSignal.timeout(Math.max(0, Math.ceil(from + maxStalenessMs - clock.monotonic())));
    if (starts === null) await aborted(deadline);
    const known = starts ?? [];
    const confirmed = await confirmations.waitFor(known, subjectKey, version, deadline);
    return { confirmed, expired: known.length - confirmed, waitedMs: Math.round(clock.monotonic() - calledAt) };
  }

  async #starts(controller: ControllerId, until: number): Promise<GateStartId[] | null> {
    const { pool, clock, log } = this.#parts;
    while (clock.monotonic() < until) {
      try {
        const { rows } = await pool.query<{ startId: GateStartId }>(startsSql, [controller]);
        return rows.map(({ startId }) => startId);
      } catch (err) {
        log.warn({ err }, 'gate table not read, it is tried again');
        await aborted(AbortSignal.timeout(retryMs));
      }
    }
    return null;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
