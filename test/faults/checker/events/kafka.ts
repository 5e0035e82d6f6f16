import type { At, InLog } from './shapes.ts';

/** The tap read this record, every partition from offset 0; `at` is its append time. */
export interface TopicRecord extends At<'topic.record'>, InLog {
  readonly offset: number;
  readonly key: string;
  readonly type: 'change' | 'watermark' | 'beat' | 'confirmation' | 'sign-off' | 'enforcement' | 'exposure' | 'other';
  readonly controller?: string;
  /** Change or enforcement. */
  readonly version?: number;
  readonly direction?: 'deny' | 'grant';
  /** Enforcement: who answers, and what. */
  readonly recipient?: string;
  readonly outcome?: string;
  /** Digest of the value; two records of one change must agree. */
  readonly digest?: string;
  /** Watermark: the beats that came back in it. Beat: its own. */
  readonly beats?: readonly (readonly [start: string, number: number])[];
  /** Watermark: the epoch of the log as its relay names it (REL-5). */
  readonly logEpoch?: number;
  /** Beat: when the gate says it sent it. Without it `at` counts. */
  readonly sentAt?: number;
  /** Read by `read_uncommitted` only: its transaction was aborted. */
  readonly aborted?: true;
  /** The log's epoch the tap was reading (a deleted and re-created topic starts another). */
  readonly epoch?: number;
}

/** A broker acknowledged this record to a producer of the system. */
export interface ProduceAck extends At<'produce.ack'>, InLog {
  readonly offset: number;
  readonly key: string;
  readonly controller?: string;
  readonly version?: number;
  readonly epoch?: number;
}

/** What the log holds at the end: offsets in [start, end). */
export interface TopicEnds extends At<'topic.ends'>, InLog {
  readonly start: number;
  readonly end: number;
  readonly epoch?: number;
}

/** A consumer of the system took offsets [first, last]. */
export interface ConsumerPoll extends At<'consumer.poll'>, InLog {
  /** The store its positions belong to (a gate replica, a delivery schema, the tracker). */
  readonly store: string;
  readonly first: number;
  readonly last: number;
  /** The read is committed work of a consumer, not an aborted record. */
  readonly aborted?: true;
}

/** A consumer was given this partition (rebalance, start): what it polls next need not follow its last poll. */
export interface ConsumerAssigned extends At<'consumer.assigned'>, InLog {
  readonly store: string;
}
