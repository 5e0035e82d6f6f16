import type { PurposeId } from '@entente/contracts';

type Purposes = readonly PurposeId[];

/** Purpose sets are sorted arrays without duplicates, as they stand in the row. */
export const union = (a: Purposes, b: Purposes): PurposeId[] => [...new Set([...a, ...b])].sort();
export const intersection = (a: Purposes, b: Purposes): PurposeId[] => a.filter((purpose) => b.includes(purpose));
export const without = (a: Purposes, b: Purposes): PurposeId[] => a.filter((purpose) => !b.includes(purpose));
