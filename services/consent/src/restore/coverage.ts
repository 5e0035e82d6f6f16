/** What one partition of one log still holds, by the times its records carry (database time, milliseconds). */
export interface Kept {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the first record kept; 0 where nothing was deleted yet. */
  readonly low: bigint;
  /** Of the first and of the newest record kept; null where none is. */
  readonly firstAt: number | null;
  readonly newestAt: number | null;
  readonly retentionMs: number;
}

export interface Hole {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Records stand in the order in which their rows were numbered, not in that of their commits; a transaction may take a second
 * (REC-2), and brokers delete by their own clocks.
 */
const marginMs = 60_000;

/** Whether everything that was deleted from this log was committed before `since`. */
const reaches = ({ low, firstAt, retentionMs }: Kept, since: number, now: number): boolean =>
  low === 0n || (firstAt ?? now - retentionMs) + marginMs <= since;

/**
 * RST-4: where the backup ends before the first record kept, changes may be lost that no log tells of any more. The express
 * lane is kept for hours only; what is gone from it stands in the complete log as well, if that one went on until then.
 * @param backupEnd when the newest change in the database was committed, milliseconds
 */
export function holesIn(
  partitions: readonly { readonly express: Kept; readonly complete: Kept }[],
  backupEnd: number,
  now: number,
): Hole[] {
  return partitions.flatMap(({ express, complete }) => [
    ...(reaches(complete, backupEnd, now) ? [] : [holeOf(complete)]),
    ...(reaches(express, Math.max(backupEnd, complete.newestAt ?? -Infinity), now) ? [] : [holeOf(express)]),
  ]);
}

const holeOf = ({ topic, partition }: Kept): Hole => ({ topic, partition });
