import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../../../sim/engine/random.ts';

/** A batch of records in a segment of Kafka's log (message format 2): where it begins in the file, and the offset after it. */
interface Batch {
  readonly at: number;
  readonly bytes: number;
  readonly end: bigint;
}

/** Base offset and length of what follows them: the head of every batch. */
const headBytes = 12;
/** Where a batch says how far its last record is from its first. */
const lastOffsetDeltaAt = 23;
const needed = lastOffsetDeltaAt + 4;

/** The batches of a segment, as far as they are whole. */
export function batchesOf(segment: Buffer): Batch[] {
  const batches: Batch[] = [];
  for (let at = 0; at + needed <= segment.length;) {
    const bytes = headBytes + segment.readInt32BE(at + 8);
    if (bytes < needed || at + bytes > segment.length) break;
    batches.push({
      at,
      bytes,
      end: segment.readBigInt64BE(at) + BigInt(segment.readInt32BE(at + lastOffsetDeltaAt)) + 1n,
    });
    at += bytes;
  }
  return batches;
}

/** `topic-partition` → up to which offset the broker has asked the disk for, and the disk has it (version, count, lines). */
export function recoveryPoints(checkpoint: string): Map<string, bigint> {
  const [, , ...lines] = checkpoint.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [topic = '', partition = '', offset = '0'] = line.split(' ');
      return [`${topic}-${partition}`, BigInt(offset)];
    }),
  );
}

/**
 * Where to cut a segment so that it ends in the middle of a batch nobody was promised to find again; null where it has none.
 * @param flushed up to which offset the disk has it for certain
 */
export function tornAt(segment: Buffer, flushed: bigint, random: Random): number | null {
  const unflushed = batchesOf(segment).filter(({ end }) => end > flushed);
  if (unflushed.length === 0) return null;
  const first = random.pick(unflushed);
  return first.at + Math.floor(first.bytes * random.between(0, 1));
}

/**
 * What a host that loses its power does to a broker's logs: of each a part of what was written and not flushed is gone, the last
 * record torn. KRaft's own log is flushed at every write (KIP-595) and stays whole. The broker must be dead.
 * @returns how many logs lost something
 */
export async function loseUnflushed(logDirectory: string, random: Random): Promise<number> {
  // Not there before the first flush: then the disk is sure of nothing.
  const checkpoint = await readFile(join(logDirectory, 'recovery-point-offset-checkpoint'), 'utf8').catch(
    nothingIfAbsent,
  );
  const points = recoveryPoints(checkpoint);
  let struck = 0;
  for (const log of (await readdir(logDirectory)).filter((name) => /-\d+$/.test(name) && !name.startsWith(kraft))) {
    const segments = (await readdir(join(logDirectory, log))).filter((name) => name.endsWith('.log'));
    const newest = segments.sort().at(-1);
    if (newest === undefined || !random.chance(hitOf)) continue;
    const file = join(logDirectory, log, newest);
    const at = tornAt(await readFile(file), points.get(log) ?? 0n, random);
    if (at === null) continue;
    await truncate(file, at);
    struck += 1;
  }
  return struck;
}

const kraft = '__cluster_metadata';
/** Part of the logs whose pages had not been written back. */
const hitOf = 0.7;

function nothingIfAbsent(error: NodeJS.ErrnoException): string {
  if (error.code !== 'ENOENT') throw error;
  return '';
}
