import { BadBits } from './bits.ts';
import type { BitReader } from './bits.ts';

type Range = readonly [first: number, last: number];

/**
 * Vendors as a string names them. Ranges stay ranges: one of 33 bits names 65 535 vendors, and a page's visitor can send as
 * many as the text has room for.
 */
export class VendorIds {
  readonly #listed: ReadonlySet<number>;
  readonly #ranges: readonly Range[];

  constructor(listed: ReadonlySet<number>, ranges: readonly Range[]) {
    this.#listed = listed;
    this.#ranges = ranges;
  }

  has(vendor: number): boolean {
    return this.#listed.has(vendor) || this.#ranges.some(([first, last]) => first <= vendor && vendor <= last);
  }
}

/** A vendor section: the highest id, then one bit for each, or ranges. */
export function readVendors(bits: BitReader): VendorIds {
  const highest = bits.take(16);
  return bits.flag() ? readRanges(bits) : new VendorIds(bits.positions(highest), []);
}

export function readRanges(bits: BitReader): VendorIds {
  const ranges = Array.from({ length: bits.take(12) }, (): Range => {
    const isRange = bits.flag();
    const first = bits.take(16);
    const last = isRange ? bits.take(16) : first;
    if (last < first || first === 0) throw new BadBits('a range of vendors that is none');
    return [first, last];
  });
  return new VendorIds(new Set(), ranges);
}
