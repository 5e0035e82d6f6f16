import type { Pool, PoolClient } from '@entente/postgres';

/** Who looks for leaks, each without a word of the gate's (ops-and-ux.md §3). */
export const detectors = ['egress_audit', 'canary', 'readback'] as const;

export interface CountedLeak {
  readonly recipient: string;
  readonly detector: string;
}

/** Leaks that no instance has counted yet, marked as counted: in the counter once, whatever restarts. */
export async function uncountedLeaks(tx: PoolClient | Pool): Promise<CountedLeak[]> {
  const { rows } = await tx.query<CountedLeak>(
    `UPDATE leak SET counted = true WHERE ctid IN (SELECT ctid FROM leak WHERE NOT counted LIMIT 5000)
     RETURNING recipient, detector`,
  );
  return rows;
}
