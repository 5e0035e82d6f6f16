import type { AlertsView } from './alerts.ts';
import type { ConnectorLine } from './recipients.ts';

/** A withdrawal in a list: whom it concerns stays masked. */
export interface WithdrawalLine {
  readonly changeId: string;
  readonly subject: string;
  readonly committedAt: string;
  readonly purposes: readonly string[];
  readonly recipients: number;
  readonly gatesClosed: number;
  readonly settled: number;
  /** Worst of its recipients, null while one is open. */
  readonly slowestMs: number | null;
}

export interface Overview {
  readonly at: string;
  readonly allEnforced: boolean;
  /** Every withdrawal answered before it is known here; null while that cannot be said (ADR 32). */
  readonly knownUntil: string | null;
  /** This service's clock minus the database's: what is called old or late may be off by as much. */
  readonly clockSkewS: number;
  /** Null where no Alertmanager is named. */
  readonly alerts: AlertsView | null;
  /** Records of the logs that nobody could read: one of them may be a withdrawal. */
  readonly unreadableRecords: number;
  readonly deadlineS: number;
  readonly connectors: readonly ConnectorLine[];
  readonly latest: readonly WithdrawalLine[];
}
