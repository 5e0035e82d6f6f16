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

/** A loss of newest commits (RST-1) may have taken the rows of gates whose leases it has not: they last *D* at most. */
export const startsSql = `
  SELECT (SELECT coalesce(array_agg(start_id), '{}') FROM gate WHERE controller = $1) AS starts,
         EXISTS (SELECT FROM incarnation WHERE raised_at > clock_timestamp() - make_interval(secs => $2)) AS "mayLack"`;
interface GateTable {
  readonly starts: readonly GateStartId[];
  /** Gates may be open that do not stand in it. */
  readonly mayLack: boolean;
}

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
    const table = await this.#table(controller, calledAt + maxStalenessMs);
    // A table that cannot be read may hold any gate, and so might one that lost rows: all the time there is is waited out.
    const from = committed ? calledAt : clock.monotonic();
    const deadline = AbortSignal.timeout(Math.max(0, Math.ceil(from + maxStalenessMs - clock.monotonic())));
    const known = table?.starts ?? [];
    const confirming = confirmations.waitFor(known, subjectKey, version, deadline);
    if (table === null || table.mayLack) await aborted(deadline);
    const confirmed = await confirming;
    return { confirmed, expired: known.length - confirmed, waitedMs: Math.round(clock.monotonic() - calledAt) };
  }

  async #table(controller: ControllerId, until: number): Promise<GateTable | null> {
    const { pool, clock, log, maxStalenessMs } = this.#parts;
    while (clock.monotonic() < until) {
      try {
        const { rows } = await pool.query<GateTable>(startsSql, [controller, maxStalenessMs / 1_000]);
        return rows[0] ?? null;
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
