import type { ConnectorLine } from './recipients.ts';
import type { Percentiles } from './words.ts';

export type Stage = 'published' | 'consumed' | 'gate' | 'accepted' | 'confirmed' | 'visible' | 'whole';

export interface StageFigures extends Percentiles {
  readonly stage: Stage;
  readonly count: number;
}

export interface HeatCell {
  readonly count: number;
  /** The slowest of them, to look at. */
  readonly example: string | null;
}

export interface GateInstance {
  readonly gate: string;
  readonly start: string;
  readonly since: string;
  readonly silentS: number;
  readonly lastConfirmedAt: string | null;
  /** Withdrawals committed for which this start's confirmation is still missing. */
  readonly behind: number;
}

export interface ConnectorView {
  readonly at: string;
  readonly line: ConnectorLine;
  readonly sample: { readonly size: number; readonly since: string | null };
  readonly stages: readonly StageFigures[];
  /** Acceptance delay over time. */
  readonly series: readonly ({ readonly at: string; readonly count: number } & Percentiles)[];
  /** Rows are delays up to `limitsS` (the last two: longer, and not accepted yet), columns are spans of time. */
  readonly heat: {
    readonly limitsS: readonly number[];
    readonly columns: readonly string[];
    readonly cells: readonly (readonly HeatCell[])[];
  };
  readonly instances: readonly GateInstance[];
  readonly deadlines24h: readonly {
    readonly within: string;
    readonly met: number;
    readonly missedByUs: number;
    readonly missedByPartner: number;
  }[];
}
