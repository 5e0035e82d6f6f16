/** Partitions per topic, fixed for ever (design.md §4): another number would move keys and break their order. */
export const PARTITIONS = 12;

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/** Murmur2 as Kafka's Java client computes it (org.apache.kafka.common.utils.Utils.murmur2): a signed 32-bit number. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  const byte = (i: number) => data[i] ?? 0;
  let h = SEED ^ length;
  const words = length >> 2;
  for (let w = 0; w < words; w += 1) {
    const i = w * 4;
    let k = byte(i) | (byte(i + 1) << 8) | (byte(i + 2) << 16) | (byte(i + 3) << 24);
    k = Math.imul(k, M);
    k ^= k >>> R;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = words * 4;
  const left = length - rest;
  if (left > 2) h ^= byte(rest + 2) << 16;
  if (left > 1) h ^= byte(rest + 1) << 8;
  if (left > 0) h = Math.imul(h ^ byte(rest), M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}

/** The partition of a key, as every Java-compatible producer chooses it, so that all adapters agree. */
export function partitionOf(key: Uint8Array | string, partitions = PARTITIONS): number {
  return (murmur2(typeof key === 'string' ? Buffer.from(key) : key) & 0x7fffffff) % partitions;
}
