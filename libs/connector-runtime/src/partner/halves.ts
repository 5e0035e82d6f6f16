/** The half before and the half after the middle, without an empty one: how the bad row of a batch is found. */
export function halves<T>(items: readonly T[]): T[][] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)].filter((half) => half.length > 0);
}
