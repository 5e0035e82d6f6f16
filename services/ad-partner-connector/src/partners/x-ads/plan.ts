import type { Identifiers } from '@entente/contracts';

/** Operations per request; each person is one (partner-apis.md §6). */
export const operationLimit = 2_500;

/** A user takes about 80 bytes of the 5,000,000 a request may have (partner-apis.md §6). */
export const userLimit = 50_000;

/** The e-mail hashes recorded of a person, each once, in lower hex exactly as recorded. */
export const emailsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap((set) => set['x-email'] || [])),
];
