import type { EgressEnd, EgressStart, History, PartnerRequest, Settings } from '../history.ts';
import { ByKind } from './by-kind.ts';
import { ConsentTimeline } from './consent-timeline.ts';
import { Faults } from './faults.ts';
import { Freshness } from './freshness.ts';
import { entry } from './intervals.ts';
import { operationsOf, type Operation } from './operations.ts';
import { Processes } from './processes.ts';
import { sendsOf, type Send } from './sends.ts';
import type { Violation } from '../violation.ts';

/** A history indexed once; every invariant is a function over it. */
export interface Evidence {
  readonly history: History;
  readonly settings: Settings;
  readonly events: ByKind;
  readonly operations: ReadonlyMap<string, Operation>;
  readonly consent: ConsentTimeline;
  readonly faults: Faults;
  readonly processes: Processes;
  readonly freshness: Freshness;
  readonly sends: readonly Send[];
  readonly attempts: ReadonlyMap<string, readonly EgressStart[]>;
  readonly attemptEnds: ReadonlyMap<string, EgressEnd>;
  readonly arrivals: ReadonlyMap<string, readonly PartnerRequest[]>;
  /** When the run had healed and everything had its time; undefined when it never said so. */
  readonly quiescedAt: number | undefined;
}

export function evidenceOf(history: History): Evidence {
  const events = new ByKind(history.events);
  const operations = operationsOf(events);
  const attempts = new Map<string, EgressStart[]>();
  for (const start of events.of('egress.start')) entry(attempts, start.attempt, () => []).push(start);
  const arrivals = new Map<string, PartnerRequest[]>();
  for (const request of events.of('partner.request')) {
    if (request.attempt !== undefined) entry(arrivals, request.attempt, () => []).push(request);
  }
  return {
    history,
    settings: history.settings,
    events,
    operations,
    consent: new ConsentTimeline(events, operations),
    faults: new Faults(events, history.settings),
    processes: new Processes(events),
    freshness: new Freshness(events),
    sends: sendsOf(events.of('egress.start')),
    attempts,
    attemptEnds: new Map(events.of('egress.end').map((end) => [end.attempt, end])),
    arrivals,
    quiescedAt: events.of('mark').find(({ what }) => what === 'quiesced')?.at,
  };
}

/** One invariant of reliability-plan §2. */
export type Invariant = (evidence: Evidence) => Violation[];
