import type { PlainText } from './words.ts';

/** One change at one recipient. */
export interface RecipientView {
  readonly recipient: string;
  readonly name: string;
  readonly state: string;
  readonly outcome?: string;
  readonly reason?: string;
  readonly attempts: number;
  readonly gateClosedAt?: string;
  readonly gateClosedMs?: number;
  readonly gateClosedBy?: string;
  readonly acceptedAt?: string;
  readonly acceptedMs?: number;
  readonly confirmedAt?: string;
  /** When the partner was last found not to keep what it had accepted. */
  readonly contradictedAt?: string;
  /** How long the partner itself says that it may take after it has accepted; absent until its connector has told it. */
  readonly documentedDelay?: PlainText;
  readonly times: {
    readonly t1: string;
    readonly t2: string;
    readonly t3?: string;
    readonly t4?: string;
    readonly t5?: string;
    readonly t6?: string;
    readonly t7?: string;
  };
  readonly errorMs: number;
}

/** As it is told: whoever may act is told whom it concerns, to others people stay masked. */
export type PropagationAnswer = Omit<PropagationView, 'subjectKey'> & {
  readonly subject: string;
  readonly subjectKey: string | null;
};

/** One change at every recipient it concerns. */
export interface PropagationView {
  readonly changeId: string;
  readonly subjectKey: string;
  readonly version: number;
  readonly direction: string;
  readonly committedAt: string;
  readonly purposes: readonly string[];
  readonly recipients: readonly RecipientView[];
  readonly allGatesClosed: boolean;
  readonly allAccepted: boolean;
}
