import { Refusal } from '@entente/http';

/** The catalogue held here, and what the consent service itself says now. */
export interface CatalogueNumbers {
  /** Of the catalogue held here; null before the first: nobody can say yet what its recipients take. */
  readonly held: () => number | null;
  /** Only there is known whether what is held here is the newest. */
  readonly newest: () => Promise<number>;
}

/** Number of the catalogue a request is judged by. @throws Refusal 503 before the first */
export function judgedBy({ held }: CatalogueNumbers): number {
  const number = held();
  if (number === null) throw catalogueUnavailable('This service has no catalogue yet.');
  return number;
}

/**
 * REC-9: whoever asks may hold a newer catalogue than this service, which hears of a change with the next record or
 * watermark: what is lacking here is a fault of the caller's only where the consent service has nothing newer.
 * @throws Refusal 503 where it has, and where it cannot be asked
 */
export async function mustBeNewest(number: number, { newest }: CatalogueNumbers): Promise<void> {
  const there = await newest().catch((cause: unknown) => {
    const refusal = catalogueUnavailable('Whether this service has the newest catalogue cannot be said now.');
    refusal.cause = cause;
    throw refusal;
  });
  if (there > number) throw catalogueUnavailable('This service does not have the newest catalogue yet.');
}

const catalogueUnavailable = (detail: string): Refusal =>
  new Refusal('catalogue-unavailable', 503, detail, { headers: { 'retry-after': '1' } });
