/** How a recipient's backlog stood at one look. */
export interface BacklogLook {
  /** Age of its oldest unenforced withdrawal, milliseconds; 0 where nothing is open. */
  readonly oldestMs: number;
  /** Unenforced withdrawals, counted up to `countedAtMost`. */
  readonly open: number;
  /** Commit of the oldest withdrawal that no connector has said anything about; null where each was taken. */
  readonly untakenSince: string | null;
  /** When the partner last accepted anything; null when it never has. */
  readonly acceptedAt: string | null;
}

export interface BacklogPace extends BacklogLook {
  /** Looks in a row at which the oldest had waited longer than at the one before, while the connector took work. */
  readonly rises: number;
}

/** From one look to the next, milliseconds. */
export const lookEveryMs = 1_000;
/** A look that is older than this says nothing of the next one: nobody looked in between. */
export const lookForgottenMs = 5_000;
/** So many rises in a row are no accident (ops-and-ux.md §3, connector status). */
export const risesToSlow = 5;

/** A backlog of this many is one, and counting all of a million each second would cost more than it tells. */
export const countedAtMost = 1_000;

/**
 * Counts a rise, or begins anew. A single withdrawal that is tried again ages by itself, and so does the last of a backlog that
 * gets smaller: a rise takes more than one open, and no fewer than at the look before. What has not stood open since the look before is no backlog, however its age compares; and a
 * connector that takes nothing is not slow: it may be stalled, which has a limit and a word of its own.
 */
export function paceAfter(before: BacklogPace | null, look: BacklogLook): BacklogPace {
  const rises =
    before !== null && look.oldestMs > lookEveryMs && rose(before, look) && moves(before, look) ? before.rises + 1 : 0;
  return { ...look, rises };
}

const rose = (before: BacklogLook, look: BacklogLook): boolean =>
  look.oldestMs > before.oldestMs && look.open > 1 && look.open >= before.open;

/** Everything was taken, or something was since the look before. */
const moves = (before: BacklogLook, { untakenSince, acceptedAt }: BacklogLook): boolean =>
  untakenSince === null || untakenSince !== before.untakenSince || acceptedAt !== before.acceptedAt;
