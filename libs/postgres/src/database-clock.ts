import { systemClock } from '@entente/observability';
import type { Clock } from '@entente/observability';
import type { Pool } from 'pg';

export interface ClockOffset {
  /** This host's wall clock minus the database's. */
  readonly offsetMs: number;
  /** The true offset lies within ± this of `offsetMs`. */
  readonly errorMs: number;
}

/** A wall-clock reading is cut to whole milliseconds. */
const readingErrorMs = 1;

/** Measures the offset by the sample with the shortest round trip (as NTP does). */
export async function databaseClock(pool: Pool, clock: Clock = systemClock, samples = 5): Promise<ClockOffset> {
  const client = await pool.connect();
  try {
    let best: ClockOffset | undefined;
    for (let sample = 0; sample < samples; sample += 1) {
      const measured = await measure(client, clock);
      if (best === undefined || measured.errorMs < best.errorMs) best = measured;
    }
    if (best === undefined) throw new RangeError('at least one sample is needed');
    return best;
  } finally {
    client.release();
  }
}

async function measure(client: Pick<Pool, 'query'>, clock: Clock): Promise<ClockOffset> {
  const sentAt = clock.monotonic();
  const wallMs = clock.now();
  const { rows } = await client.query<{ ms: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
  );
  const halfTripMs = (clock.monotonic() - sentAt) / 2;
  const [row] = rows;
  if (row === undefined) throw new Error('the database did not tell its time');
  return { offsetMs: wallMs + halfTripMs - row.ms, errorMs: halfTripMs + readingErrorMs };
}
