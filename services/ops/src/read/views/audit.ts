export interface AuditLine {
  readonly id: number;
  readonly at: string;
  readonly actor: string;
  /** `console`, or the id of the machine whose token was used. */
  readonly via: string;
  readonly action: string;
  readonly target: string;
  readonly reason: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
  /** How often within its minute. */
  readonly times: number;
}
