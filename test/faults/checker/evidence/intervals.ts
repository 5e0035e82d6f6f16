/** A closed stretch of time in milliseconds of the history's clock; an open end is Infinity. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** An end that does not come. A constant of this module: a look-up in the global object costs more in a hot loop. */
export const never = Infinity;

/** Overlapping stretches, and those at most `joinMs` apart, become one; the answer is in order of time. */
export function merged(intervals: readonly Interval[], joinMs = 0): Interval[] {
  const sorted = [...intervals].sort((a, b) => a.from - b.from);
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of sorted) {
    const last = joined.at(-1);
    if (last && from <= last.to + joinMs) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}

/** Position of the first element for which `reached` holds; it must hold for all that follow. */
export function firstWhere<T>(sorted: readonly T[], reached: (element: T) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (reached(sorted[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The last element for which `holds`, where it holds for a beginning of the list only. */
export function lastWhile<T>(sorted: readonly T[], holds: (element: T) => boolean): T | undefined {
  return sorted[firstWhere(sorted, (element) => !holds(element)) - 1];
}

/** Of merged intervals, the first that overlaps [from, to]. */
export function overlapping<I extends Interval>(disjoint: readonly I[], from: number, to: number): I | undefined {
  const candidate = disjoint[firstWhere(disjoint, (interval) => interval.to >= from)];
  return candidate && candidate.from <= to ? candidate : undefined;
}

/** Value of a key, made when it is asked for first. */
export function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
