/** An alert of ours that fires. */
export interface AlertLine {
  readonly name: string;
  readonly recipient: string | null;
  readonly severity: 'page' | 'ticket';
  readonly since: string;
  readonly summary: string;
  readonly owner: string | null;
  readonly runbook: string | null;
  readonly silenced: boolean;
}

/** Nobody is called for these until then. */
export interface SilenceLine {
  readonly of: string;
  readonly by: string;
  readonly until: string;
  readonly comment: string;
}

export interface AlertsView {
  /** False when Alertmanager does not: then nobody knows here what fires. */
  readonly answers: boolean;
  readonly alerts: readonly AlertLine[];
  readonly silences: readonly SilenceLine[];
}
