/** What the newest comparison with a partner's own store found (docs/operations.md). */
export interface ReconciliationLine {
  readonly recipient: string;
  readonly name: string;
  /** `unreachable`: its connector does not say; `no-connector`: this service does not know whom to ask. */
  readonly state: 'never' | 'running' | 'done' | 'failed' | 'unreachable' | 'no-connector';
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly askedBy: string | null;
  readonly reason: string | null;
  readonly counts: {
    readonly checked: number;
    /** The partner still had them; revoked again. */
    readonly extra: number;
    readonly repaired: number;
    readonly stale: number;
    readonly missing: number;
    readonly unreadable: number;
  } | null;
  /** The first of them, people masked. */
  readonly findings: readonly {
    readonly kind: string;
    readonly subject: string;
    readonly purposes: readonly string[];
    readonly reason: string | null;
  }[];
}

export interface ReconciliationsView {
  readonly at: string;
  readonly recipients: readonly ReconciliationLine[];
}
