/**
 * The numbers of the hard bound (design.md §2 item 1, GATE-2). The lease is 50 ms shorter than `maxStaleness`, so
 * that the deadline check, the write and the timer's own lateness fit inside *D*.
 */
export const timing = {
  /** *D*: no share starts later than this after an answered withdrawal, in milliseconds. */
  maxStalenessMs: 2000,
  leaseMs: 1950,
  /** A gate sends a beat this often (GATE-2). */
  beatMs: 250,
  /** A relay makes a full pass this often (REL-4). */
  passMs: 200,
} as const;
