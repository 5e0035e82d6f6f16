import type { Decision, PurposeId, SubjectKey } from '@entente/contracts';

export interface FieldFault {
  /** JSON Pointer into the request body. */
  readonly pointer: string;
  readonly detail: string;
}

/** The rule says no: what the caller is told (RFC 9457). A value, because it is decided by pure code. */
export interface Rejection {
  readonly code: string;
  readonly status: 400 | 403 | 404 | 409 | 412 | 422;
  readonly detail: string;
  readonly errors?: readonly FieldFault[];
}

export interface DecidedPurpose {
  readonly purpose: PurposeId;
  readonly decision: Decision;
}

/** One purpose of a granting part that was not recorded although the denying part was (REC-3). */
export interface RefusedGrant {
  readonly purpose: PurposeId;
  readonly code: string;
  readonly detail: string;
}

/** What a recorded request answers. */
export interface RecordedAnswer {
  /** `chg_` + the event id of the change. */
  readonly changeId: string;
  readonly subjectKey: SubjectKey;
  readonly version: number;
  /** Database time, ISO 8601 with microseconds. */
  readonly committedAt: string;
  readonly decisions: readonly DecidedPurpose[];
  readonly ignored: readonly string[];
  readonly alreadyDenied?: true;
  /** A denial that made this subject known, or one of them said again: the id may be mistyped. */
  readonly firstSeen?: true;
  readonly refused?: readonly RefusedGrant[];
  /** Other keys of the same person that changed with it (REC-4), in key order. */
  readonly linked?: readonly LinkedChange[];
}

export interface LinkedChange {
  readonly changeId: string;
  readonly subjectKey: SubjectKey;
  readonly version: number;
}

export type Recorded =
  | {
      readonly kind: 'recorded';
      readonly answer: RecordedAnswer;
      /** False when the answer rests on a read: nothing new was committed. */
      readonly committed: boolean;
    }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };
