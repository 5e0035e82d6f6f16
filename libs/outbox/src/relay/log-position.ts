/** What a relay knows of one partition of the express lane (REL-5). */
export interface LogPosition {
  readonly epoch: number;
  /** −1 before the first. */
  readonly highestAcked: bigint;
}

export interface Advance {
  readonly position: LogPosition;
  /** The log was lost or made anew: it must be told again what it may have lost. */
  readonly logLost: boolean;
}

/**
 * REL-5: an acknowledged offset that is not above the highest one known means that the log is not the one we wrote to.
 * Every record of ours counts, watermarks too.
 */
export function acknowledge(position: LogPosition, first: bigint, last: bigint): Advance {
  if (first > position.highestAcked) return { position: { ...position, highestAcked: last }, logLost: false };
  return { position: { epoch: position.epoch + 1, highestAcked: last }, logLost: true };
}

/** What the end of a log tells of its own past. */
export interface LogPast {
  /** The offset its next record will have. */
  readonly end: bigint;
  /** The highest epoch it was told of as. */
  readonly epoch: number;
  readonly hasWatermark: boolean;
  /** A watermark in it was on its way when it was made anew, and none has told of it as the next epoch's since. */
  readonly untold: boolean;
  /** The database's: above 0 it was put back, or took over, at least once. */
  readonly incarnation: number;
}

/** Raises within one incarnation; so many there are not. */
const epochsPerIncarnation = 1_000;

/**
 * What the log itself tells of its position, before anything of ours is published to it: a database put back remembers an
 * older position or none. Without a watermark nothing shows that it is the log that was written to before: then it is not.
 * That is settled here and not at the next acknowledgement, which may be lost, and the one after it stands higher. The
 * database may have forgotten a raise as well, so the new epoch is one that nobody has heard of before its incarnation.
 */
export function learn(position: LogPosition, log: LogPast): Advance {
  const { end, incarnation } = log;
  const wasWritten = incarnation > 0 || position.highestAcked >= 0n;
  const told = Math.max(position.epoch, log.epoch);
  if (log.untold || (!log.hasWatermark && wasWritten)) {
    const epoch = Math.max(told + 1, incarnation * epochsPerIncarnation);
    return { position: { epoch, highestAcked: end - 1n }, logLost: true };
  }
  const highestAcked = position.highestAcked >= end ? position.highestAcked : end - 1n;
  return { position: { epoch: told, highestAcked }, logLost: false };
}
