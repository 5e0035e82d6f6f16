/**
 * Version = incarnation × 2^40 + counter (REC-1). It is the only order that counts, and it never restarts.
 * It stays a JavaScript number: incarnations up to 8191 keep it below 2^53.
 */
const counterBits = 2 ** 40;

/** A row that was never written has version 0; the first write of incarnation i gives i × 2^40 or more. */
export const nextVersion = (current: number, incarnation: number): number =>
  Math.max(current + 1, incarnation * counterBits);

export const incarnationOf = (version: number): number => Math.floor(version / counterBits);
export const counterOf = (version: number): number => version % counterBits;
