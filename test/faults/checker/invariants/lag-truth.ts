import { settledOutcomes } from '@entente/contracts';
import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { entry } from '../evidence/intervals.ts';
import { inOrder } from '../excerpt.ts';
import type { DbChange, OpsReport, TopicRecord } from '../history.ts';
import type { Violation } from '../violation.ts';

/** A withdrawal at one recipient: committed, and what first settled it as the recipient's connector told Kafka. */
interface Open {
  readonly change: DbChange;
  readonly recipient: string;
  readonly from: number;
  readonly errorMs: number;
  readonly until: number;
  readonly settledBy: TopicRecord | undefined;
}

const settles: ReadonlySet<string> = settledOutcomes;

/** How far a reported age may be from the truth. */
const toleranceMs = (age: number): number => Math.max(1_000, age * 0.2);

/** What was committed is answered, and so vouched for by a watermark, within a writer's `transaction_timeout` (REC-2). */
const answeredWithinMs = 1_000;

/** A report says up to when it knows everything; what claims to see may not know less than this. */
const horizonMs = 4_000;

/**
 * LAG-TRUTH: what ops reports of the oldest unenforced withdrawal is within max(1 s, 20 %) of the truth as of the moment it
 * claims to know everything, and "all enforced" is never said while a withdrawal of before that moment is open. What it
 * cannot see it must call BLIND, and at rest it must see. The truth is taken from the ledger's commits and the connectors'
 * own records in Kafka, neither of which ops has touched; whether those are true is ACK-TRUTH's.
 */
export const lagTruth: Invariant = (evidence) => {
  const reports = evidence.events.of('ops.report');
  if (reports.length === 0) return [];
  const work = new OpenWork(openWork(evidence));
  const found = reports.flatMap((report) => {
    const { askedAt, at, knownUntil = askedAt } = report;
    const open = work.between(Math.min(knownUntil, askedAt) - toleranceMs(0), at);
    return [...saidAll(report, open), ...ages(report, open)];
  });
  return [...found, ...atRest(evidence, reports)];
};

/** Open work by the time at which it was open: a report is held against that of its own time, not against a whole run. */
class OpenWork {
  readonly #spans = new Map<number, Open[]>();
  readonly #last: number;

  constructor(open: readonly Open[]) {
    this.#last = spanOf(open.reduce((last, { from, until }) => Math.max(last, until === Infinity ? from : until), 0));
    for (const one of open) {
      const last = Math.min(spanOf(one.until), this.#last);
      for (let span = spanOf(one.from - one.errorMs); span <= last; span += 1)
        entry(this.#spans, span, () => []).push(one);
    }
  }

  /** All that was open at some time of these, and more. */
  between(from: number, to: number): readonly Open[] {
    const found = new Set<Open>();
    // What never ended stands in the last span as well.
    for (let span = Math.min(spanOf(from), this.#last); span <= Math.min(spanOf(to), this.#last); span += 1)
      for (const one of this.#spans.get(span) ?? []) found.add(one);
    return [...found];
  }
}

const spanMs = 5_000;
const spanOf = (at: number): number => Math.floor(at / spanMs);

function openWork({ events }: Evidence): Open[] {
  const settling = new Map<string, TopicRecord[]>();
  for (const record of events.of('topic.record')) {
    const { type, direction, outcome, controller, key, recipient } = record;
    if (type !== 'enforcement' || direction !== 'deny' || !settles.has(outcome ?? '')) continue;
    const place = `${controller} ${key} ${recipient}`;
    entry(settling, place, () => []).push(record);
  }
  for (const records of settling.values()) records.sort((a, b) => a.at - b.at);
  return events.of('db.change').flatMap((change) => {
    if (change.direction !== 'deny' || change.lost) return [];
    return change.recipients.map((recipient): Open => {
      const said = settling.get(`${change.controller} ${change.subject} ${recipient}`) ?? [];
      // TRK-1: an outcome at a version settles every change up to it.
      const settledBy = said.find(({ version }) => (version ?? 0) >= change.version);
      const { at: from, errorMs = 0 } = change;
      return { change, recipient, from, errorMs, until: settledBy?.at ?? Infinity, settledBy };
    });
  });
}

function saidAll(report: OpsReport, open: readonly Open[]): Violation[] {
  if (!report.allEnforced) return [];
  const { askedAt, knownUntil = askedAt } = report;
  if (askedAt - knownUntil > horizonMs)
    return [broken(`"all enforced" is said of ${seconds(askedAt - knownUntil)} ago, as if it were now`, report)];
  const missed = open.find((one) => isVouchedFor(one, knownUntil) && one.until > report.at);
  if (missed === undefined) return [];
  const { change, recipient } = missed;
  const what = `"all enforced" is said while version ${change.version} of ${change.subject} is open at ${recipient}`;
  return [broken(what, report, missed)];
}

function ages(report: OpsReport, open: readonly Open[]): Violation[] {
  const { askedAt, at, knownUntil = askedAt } = report;
  return report.recipients.flatMap(({ recipient, blind, oldestMs }): Violation[] => {
    if (blind) return [];
    const here = open.filter((one) => one.recipient === recipient);
    // Certainly open all the while, and committed before the report claims to know everything.
    const sure = oldest(here.filter((one) => isVouchedFor(one, knownUntil) && one.until > at));
    const least = sure === undefined ? 0 : askedAt - sure.from - sure.errorMs;
    if (oldestMs + toleranceMs(least) < least)
      return [
        broken(`${recipient}: the oldest is ${seconds(least)} old, ${seconds(oldestMs)} is reported`, report, sure),
      ];
    const possible = oldest(
      here.filter(({ from, errorMs, until }) => from - errorMs < at && until > knownUntil - toleranceMs(0)),
    );
    const most = possible === undefined ? 0 : at - possible.from + possible.errorMs;
    if (oldestMs - toleranceMs(most) > most)
      return [
        broken(`${recipient}: the oldest is ${seconds(most)} old, ${seconds(oldestMs)} is reported`, report, possible),
      ];
    return [];
  });
}

const isVouchedFor = ({ from, errorMs }: Open, knownUntil: number): boolean =>
  from + errorMs < knownUntil - answeredWithinMs;

/** A report that never sees would be right for ever. One question may fall into a moment in which it cannot. */
function atRest({ quiescedAt }: Evidence, reports: readonly OpsReport[]): Violation[] {
  const after = reports.filter(({ askedAt }) => quiescedAt !== undefined && askedAt > quiescedAt);
  return [...Map.groupBy(after, ({ process }) => process)].flatMap(([process, own]): Violation[] => {
    const seen = new Set(own.flatMap(({ recipients }) => recipients.filter((one) => !one.blind)).map(nameOf));
    const unseen = [...new Set(own.flatMap(({ recipients }) => recipients.map(nameOf)))].filter(
      (one) => !seen.has(one),
    );
    const last = own.at(-1);
    if (last === undefined || unseen.length === 0) return [];
    return [broken(`at rest ${process} sees nothing of ${unseen.join(', ')}`, last)];
  });
}

const nameOf = ({ recipient }: { readonly recipient: string }): string => recipient;

const oldest = (some: readonly Open[]): Open | undefined =>
  some.reduce<Open | undefined>(
    (first, one) => (first === undefined || one.from < first.from ? one : first),
    undefined,
  );

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

const broken = (what: string, report: OpsReport, open?: Open): Violation => ({
  rule: 'LAG-TRUTH',
  what,
  events: inOrder(open?.change, open?.settledBy, report),
});
