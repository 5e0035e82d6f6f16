/** One synthetic withdrawal (docs/canaries.md). Durations in milliseconds; null where the run did not come to that. */
export interface CanaryRun {
  readonly id: string;
  readonly recipient: string;
  readonly askedBy: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** Null while it runs. */
  readonly result: 'ok' | 'late' | 'lost' | 'error' | null;
  readonly reason: string | null;
  readonly changeId: string | null;
  /** The item offered before the withdrawal, which must arrive. */
  readonly arrivedMs: number | null;
  readonly gateMs: number | null;
  readonly acceptedMs: number | null;
  /** What became of the item offered after the withdrawal: denied or held. */
  readonly refused: string | null;
}

export interface CanaryLine {
  readonly recipient: string;
  readonly name: string;
  /** Whether this service runs one here. */
  readonly configured: boolean;
  readonly lastSuccessAt: string | null;
  readonly running: boolean;
  /** Newest first. */
  readonly runs: readonly CanaryRun[];
}

export interface CanariesView {
  readonly at: string;
  /** Between two runs of one recipient. */
  readonly everyS: number;
  readonly canaries: readonly CanaryLine[];
}
