import type { Identifiers } from '@entente/contracts';

/** Elements per request; LinkedIn's own number is not published (partner-apis.md §7). */
export const elementLimit = 5_000;

/** The e-mail hashes recorded of a person, each once, in lower hex exactly as recorded. */
export const emailsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap((set) => set['linkedin-email'] || [])),
];

/** Versions live about twelve months (partner-apis.md §7); with this many left or fewer somebody should know. */
const lifeMonths = 12;
const warnMonths = 2;

/** Months until an API version (YYYYMM) is gone, where that is soon or past; null while there is time. */
export function monthsToSunset(version: string, now: number): number | null {
  const at = new Date(now);
  const age =
    (at.getUTCFullYear() - Number(version.slice(0, 4))) * 12 + at.getUTCMonth() + 1 - Number(version.slice(4));
  const left = lifeMonths - age;
  return left <= warnMonths ? left : null;
}
