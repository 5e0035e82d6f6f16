import type { At, OfSubject } from './shapes.ts';

/** A request left the client. It ends with one `api.ok`, `api.fail` or `api.info`; with none it is indeterminate. */
export interface ApiInvoke extends At<'api.invoke'> {
  /** Unique in the history. */
  readonly op: string;
  readonly client: string;
  readonly controller: string;
  readonly call: 'record' | 'import' | 'share' | 'read' | 'catalogue';
  readonly subject?: string;
  /** `record`: what was asked, purpose → granted. */
  readonly asked?: Readonly<Record<string, boolean>>;
  readonly wait?: 'none' | 'gates';
  /** NEVER-BLOCKED: statuses it may lawfully be refused with, by what the workload did on purpose: no scope, no readable body. */
  readonly mayBeRefused?: readonly number[];
  readonly route?: string;
  readonly idempotencyKey?: string;
  readonly bodyDigest?: string;
  /** `share`: the connector process asked, and what it was asked for. */
  readonly process?: string;
  readonly recipient?: string;
  readonly purpose?: string;
  /** CAUSAL: the version a grant answered, carried by the share. */
  readonly atLeastVersion?: number;
}

/** One change that stands behind an answer, and what the answer says is recorded, purpose → granted. */
export interface Answer extends OfSubject {
  readonly version: number;
  readonly recorded: Readonly<Record<string, boolean>>;
}

/** What a share was answered with: dropped with a reason, or held because the gate cannot know. */
export interface ShareAnswer {
  readonly outcome: 'sent' | 'denied' | 'stale' | 'failed';
  readonly reason?: string;
  /** The version the gate says it decided on. */
  readonly decidedOn?: number;
}

/** A 2xx was received (an import: its job reported these rows). */
export interface ApiOk extends At<'api.ok'> {
  readonly op: string;
  readonly status: number;
  /** Every change the answer stands for: one, or each linked subject, or each imported row. */
  readonly answers?: readonly Answer[];
  /** A catalogue call: the number it was answered with. */
  readonly catalogue?: number;
  readonly share?: ShareAnswer;
  /** Digest of status and body without volatile fields; what API-IDEMPOTENT compares. */
  readonly answerDigest?: string;
}

/** A definite refusal: it certainly changed nothing. */
export interface ApiFail extends At<'api.fail'> {
  readonly op: string;
  readonly status: number;
  readonly reason?: string;
}

/** Timeout or lost connection: it may have happened at any time after the call, or never. */
export interface ApiInfo extends At<'api.info'> {
  readonly op: string;
  readonly why: string;
}
