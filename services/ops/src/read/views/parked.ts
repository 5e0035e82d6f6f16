/** Parked work of one recipient and cause. */
export interface ParkedGroup {
  readonly recipient: string;
  readonly name: string;
  readonly reason: string;
  readonly count: number;
  readonly countedUpTo: number;
  readonly oldestAt: string;
  readonly newestAt: string;
  readonly sample: { readonly changeId: string; readonly subject: string };
  /** Whether this service knows the connector to ask. */
  readonly replayable: boolean;
}

export interface ParkedView {
  readonly at: string;
  readonly groups: readonly ParkedGroup[];
}

export interface ReplayView {
  readonly recipient: string;
  readonly reason: string | null;
  readonly dryRun: boolean;
  /** People whose newest state is sent again (or would be): the connector keeps one row for each. */
  readonly people: number;
  /** How many of them are canaries, which no list of people shows. */
  readonly canaries: number;
  /** Parked changes that a newer one of the same person has replaced: they are not sent on their own. */
  readonly superseded: number;
  /** Most that one call takes; with as many, ask again afterwards. */
  readonly atMost: number;
}
