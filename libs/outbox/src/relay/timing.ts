import { timing } from '@entente/contracts';

/** The relay's numbers, in milliseconds unless the name says otherwise. A test may shorten them. */
export interface RelayTiming {
  /** A full pass, the one that ends in watermarks, begins this often (REL-4). */
  readonly passMs: number;
  /** Without a hint a lane looks for rows this often (REL-3), while rows are found that no hint told of, */
  readonly pollMs: number;
  /** … this often while there are none (ADR 37), */
  readonly trustingPollMs: number;
  /** … and for this long after the last of them it is the former. */
  readonly doubtMs: number;
  /** The lock connection says something this often, whatever else is awaited (REL-2). */
  readonly keepBusyMs: number;
  /** A statement unanswered for this long ends the session: `statement_timeout` is 1 s, so the server or the way to it is gone. */
  readonly silenceMs: number;
  /** The same for the normal lane's reads, whose `statement_timeout` is 10 s. */
  readonly readerSilenceMs: number;
  /** After a page of live traffic the normal lane waits this long for more to gather; nobody waits for what it carries. */
  readonly gatherMs: number;
  /** Shards are taken up and handed over this often. */
  readonly ownershipMs: number;
  /** First and longest pause before connecting again, and between the probes of a partition that failed. */
  readonly retryMs: number;
  readonly longestRetryMs: number;
  /** One publish of the urgent lane: below the lease, so that one hanging leader cannot end every lease for long. */
  readonly urgentPublishMs: number;
  readonly normalPublishMs: number;
  /** A log that contradicts the ledger is looked at again this often (RST-4). */
  readonly recheckMs: number;
  /** Publishing a lost log again reads the ledger: it may take longer than anything else on the lock connection. */
  readonly republishMs: number;
  /** The normal lane's floor stands where this lane had read this long ago; writers end within 1 s (REC-2). */
  readonly floorTrailMs: number;
  /** … and is ignored this often (kafka-on-node.md §4.4). */
  readonly fullScanMs: number;
  /** Rows of the normal lane's next page, over all partitions, and its rest after one, as a multiple of the page's time. */
  readonly backlog: Readonly<Record<Company, { readonly pageRows: number; readonly rest: number }>>;
}

/** Whether the urgent lane was at work a moment ago. */
type Company = 'besideUrgent' | 'alone';

export const relayTiming: RelayTiming = {
  passMs: timing.passMs,
  pollMs: 75,
  trustingPollMs: 500,
  doubtMs: 10_000,
  keepBusyMs: 500,
  silenceMs: 2_000,
  readerSilenceMs: 12_000,
  gatherMs: 20,
  ownershipMs: 500,
  retryMs: 100,
  longestRetryMs: 1_000,
  urgentPublishMs: 1_500,
  normalPublishMs: 5_000,
  recheckMs: 5_000,
  republishMs: 30_000,
  floorTrailMs: 60_000,
  fullScanMs: 5_000,
  /**
   * Encoding a page holds the event loop up, about 4 ms per 100 rows, and every consumer takes a page in one go: beside
   * withdrawals it is a small one. The rest leaves processor, broker and database to the urgent lane while that is at work,
   * and to the consumers of the complete log, which share their processes with the gates. Measured against a backlog of a
   * million rows; live traffic (smaller pages) never rests.
   */
  backlog: { besideUrgent: { pageRows: 50, rest: 12 }, alone: { pageRows: 250, rest: 2 } },
};

/** Rows of one read, over all partitions. */
export const urgentPageRows = 500;
/** A page with at least this share of the rows asked for is a backlog's. */
export const backlogPageShare = 0.5;
/** The urgent lane is at work for this long after its last row. */
export const urgentAtWorkMs = 1_000;
/** Beside withdrawals a backlog rests fully for so long; at twice this age half, at three times a third (ADR 5). */
export const patienceMs = 60_000;
/** Without a page of a backlog for this long there is none. */
export const backlogOverMs = 5_000;
/** The longest rest, however slow a page was. */
export const longestRestMs = 500;
/** Of one partition in one send: a broker takes 1 MiB per record batch (`max.message.bytes`). */
export const pageBytesPerPartition = 512 * 1024;
/** The normal lane shares the lock connection with the urgent one, so its deletes are short. */
export const deleteRows = 250;

/** Doubles from the first pause to the longest. */
export const backoffMs = (attempt: number, t: RelayTiming): number =>
  Math.min(t.longestRetryMs, t.retryMs * 2 ** Math.min(attempt, 10));
