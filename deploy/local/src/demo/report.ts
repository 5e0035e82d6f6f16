import type { Propagation } from '../client/entente-client.ts';
import { distribution, type Distribution } from './distribution.ts';

/** The one line of `--json`; every field is measured, none is a default. */
export interface DemoReport {
  readonly leaks: number;
  readonly withdrawals: number;
  /** Withdrawals accepted, by recipient. */
  readonly accepted: Readonly<Record<string, number>>;
  readonly gateClosedMs: Distribution | null;
  readonly acceptedMs: Readonly<Record<string, Distribution | null>>;
  readonly heldDuringOutage: number;
  readonly infrastructure: string;
  readonly signals: SignalFigures;
}

/** What browsers said by themselves; counted apart from the withdrawals of everything. */
export interface SignalFigures {
  /** People whose consents came in as a TC string. */
  readonly tcStringsIn: number;
  /** `Sec-GPC: 1`: what is sold, shared or targeted. */
  readonly gpc: SignalCount;
  /** TC strings that took everything back of which a TC string can speak. */
  readonly tcf: SignalCount;
}

interface SignalCount {
  readonly withdrawals: number;
  /** Those accepted by every partner they concern. */
  readonly accepted: number;
  readonly leaks: number;
}

/** States that mean the partner has the withdrawal, or that it never had the person's data. */
const done = new Set(['accepted', 'confirmed', 'nothing-to-do', 'never-shared', 'not-recalled', 'superseded']);

export const isDone = ({ state, outcome }: Pick<Propagation['recipients'][number], 'state' | 'outcome'>): boolean =>
  done.has(outcome ?? state);

export function figures(propagations: readonly Propagation[], recipients: readonly string[]) {
  const at = (recipient: string) => propagations.flatMap((p) => p.recipients.filter((r) => r.recipient === recipient));
  const times = (values: readonly (number | undefined)[]): number[] => values.filter((value) => value !== undefined);
  return {
    gateClosedMs: distribution(times(propagations.flatMap((p) => p.recipients.map((r) => r.gateClosedMs)))),
    gateClosedBy: Object.fromEntries(recipients.map((r) => [r, distribution(times(at(r).map((x) => x.gateClosedMs)))])),
    accepted: Object.fromEntries(recipients.map((r) => [r, at(r).filter(isDone).length])),
    acceptedMs: Object.fromEntries(recipients.map((r) => [r, distribution(times(at(r).map((x) => x.acceptedMs)))])),
  };
}

const ms = (value: number | undefined): string =>
  value === undefined ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

export function table(
  propagations: readonly Propagation[],
  recipients: readonly { recipient: string; name: string }[],
): string[] {
  const { gateClosedBy, accepted, acceptedMs } = figures(
    propagations,
    recipients.map((r) => r.recipient),
  );
  const row = (cells: readonly string[]): string =>
    `  ${cells[0]!.padEnd(24)}${cells
      .slice(1)
      .map((cell) => cell.padStart(11))
      .join('')}`;
  const of = (d: Distribution | null | undefined): string[] => [ms(d?.p50), ms(d?.p99), ms(d?.max)];
  return [
    row(['', 'gate closed', '', '', 'accepted', '', '', '']),
    row(['partner', 'p50', 'p99', 'max', 'p50', 'p99', 'max', 'of all']),
    ...recipients.map(({ recipient, name }) =>
      row([
        name,
        ...of(gateClosedBy[recipient]),
        ...of(acceptedMs[recipient]),
        `${accepted[recipient]}/${propagations.length}`,
      ]),
    ),
  ];
}

export const inMs = ms;
