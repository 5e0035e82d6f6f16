import { setTimeout as pause } from 'node:timers/promises';
import { Refusal } from '@entente/http';
import type { Clock } from '@entente/observability';

export interface PaceParts {
  readonly rowsPerSecond: number;
  readonly clock: Clock;
  /** REC-6. */
  readonly isCrowded: () => Promise<boolean>;
}

/** Between two looks at a crowded lane, in milliseconds. */
const lookAgainMs = 50;
/** Longest wait for the relay before an import is told to come back; less than the import is its holder's. */
const longestWaitMs = 15_000;

/**
 * The rate of all imports of this process together. Rows that would be recorded faster wait, and with them the upload, so
 * that what people decide themselves keeps its pace; and none is recorded while the express lane is crowded (REC-6).
 */
export class Pace {
  readonly #parts: PaceParts;
  #nextAt = 0;

  constructor(parts: PaceParts) {
    this.#parts = parts;
  }

  /** Resolves when this many rows may be recorded. */
  async turn(rows: number): Promise<void> {
    const { clock, rowsPerSecond, isCrowded } = this.#parts;
    const now = clock.monotonic();
    const at = Math.max(now, this.#nextAt);
    this.#nextAt = at + (rows / rowsPerSecond) * 1_000;
    if (at > now) await pause(at - now);
    const until = clock.monotonic() + longestWaitMs;
    while (await isCrowded()) {
      if (clock.monotonic() > until) throw laneCrowded();
      await pause(lookAgainMs);
    }
  }
}

const laneCrowded = (): Refusal =>
  new Refusal(
    'urgent-lane-crowded',
    503,
    'Withdrawals are waiting for Kafka, so the import waits too; go on where it stands.',
    { headers: { 'retry-after': '5' } },
  );
