import type { Feed } from './feed.ts';
import type { OffsetRange, PartitionState, TP } from './port.ts';

/** What one partition begins with. */
export type Start = { kind: 'at'; offset: bigint } | { kind: 'out-of-range'; wanted: bigint };

/** Where reading of a partition begins, given the position its owner keeps and what the broker still has. */
export function startOf(wanted: bigint | undefined, range: OffsetRange, fromBeginning: boolean): Start {
  if (wanted === undefined) return { kind: 'at', offset: fromBeginning ? range.low : range.high };
  if (wanted < range.low || wanted > range.high) return { kind: 'out-of-range', wanted };
  return { kind: 'at', offset: wanted };
}

/** The offsets that may be committed: of this assignment, within what was handed out, above the last commit. */
export function committable(
  offsets: ReadonlyMap<string, bigint>,
  feeds: ReadonlyMap<string, Feed>,
  committed: ReadonlyMap<string, bigint>,
): { commit: Map<string, bigint>; refused: string[] } {
  const commit = new Map<string, bigint>();
  const refused: string[] = [];
  for (const [key, offset] of offsets) {
    const feed = feeds.get(key);
    if (!feed) continue;
    if (feed.handedOut === null || offset > feed.handedOut) refused.push(key);
    else if (offset > (committed.get(key) ?? -1n)) commit.set(key, offset);
  }
  return { commit, refused };
}

export function stateOf(feed: Feed): PartitionState {
  const { tp, position, highWatermark, buffered, paused, failures } = feed;
  const lag = position === null || highWatermark === null ? null : highWatermark - position;
  return { ...tp, position, highWatermark, lag, buffered, paused, failures };
}

export const tpsOf = (assigned: { topic: string; partitions: number[] }[]): TP[] =>
  assigned.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));

export const byTopicPartitions = (tps: Iterable<TP>): { topic: string; partitions: number[] }[] => {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of tps) topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
};

export const tpOfKey = (key: string): TP => {
  const at = key.lastIndexOf(':');
  return { topic: key.slice(0, at), partition: Number(key.slice(at + 1)) };
};
