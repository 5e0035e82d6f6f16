import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { stackRecipients, type PartnerName } from '@entente/local';
import type { HistoryEvent, PartnerRequest } from '../../checker/index.ts';
import { ofNanoseconds } from '../clock.ts';
import type { World } from '../world.ts';
import { controller, purposeAt } from '../workload.ts';
import { meanings, namesAt, type Deed } from './meanings.ts';
import { readTap, TapRecord, type Passed } from './taps.ts';

interface Line {
  readonly t: string;
  readonly id?: string;
  readonly op?: string;
  readonly ns: string;
  readonly port?: number;
  readonly asks?: readonly Deed[];
  readonly effects?: readonly Deed[];
  readonly status?: number | null;
  readonly faults?: readonly string[];
}

/** Answers that claim nothing, whatever their status says. */
const unsaid = new Set(['lie', 'html', 'malformed', 'ignore']);

interface Exchange {
  readonly id: string;
  readonly port: number;
  readonly arrivedAt: number;
  asks: readonly Deed[];
  /** When the store changed, and for whom; undefined = it did not. */
  effect?: { readonly at: number; readonly of: readonly Deed[] };
  ended?: {
    readonly at: number;
    readonly status: number | null;
    readonly faults: readonly string[];
    readonly whole: boolean;
  };
}

async function exchangesIn(file: string): Promise<Exchange[]> {
  const open = new Map<string, Exchange>();
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const { t, id, ns, port = 0, asks = [], effects = [], status = null, faults = [] } = JSON.parse(text) as Line;
    if (id === undefined) continue;
    const at = ofNanoseconds(ns);
    const exchange = open.get(id) ?? { id, port, arrivedAt: at, asks: [] };
    open.set(id, exchange);
    if (t === 'received' || t === 'aborted') exchange.asks = asks;
    if (t === 'aborted') exchange.ended = { at, status: null, faults: [], whole: false };
    if (t === 'effect') exchange.effect = { at, of: effects };
    if (t === 'answered') {
      const whole = status !== null && !faults.some((fault) => unsaid.has(fault));
      exchange.ended = { at, status, faults, whole };
    }
  }
  return [...open.values()];
}

/** Where an exchange came from, and when the tap saw it. */
interface Origin {
  readonly process: string;
  readonly passed: Passed | undefined;
}

/**
 * Sends as the tap saw them begin, with what each request came to by the partners' own diaries; and those of which the tap
 * alone tells, because they never reached a partner.
 */
export async function readSends(world: World, keys: ReadonlyMap<string, string>): Promise<HistoryEvent[]> {
  const taps = await readTap(world.tapFile);
  const events: HistoryEvent[] = [];
  for (const { recipient, partner } of stackRecipients) {
    const subjects = new Map(
      world.people.map((person) => [namesAt[partner](person), keys.get(person.subjectId) ?? person.subjectId]),
    );
    const instances = world.connectors
      .filter((connector) => connector.recipient === recipient)
      .map(({ name, tap }) => ({ process: name, record: taps.get(tap.name) ?? new TapRecord() }));
    const originOf = ({ port, arrivedAt }: Exchange): Origin => {
      // The taps share the ports of one host: one that was another's an hour ago may still hold what never reached the partner.
      const [latest] = instances.toSorted(
        (one, other) => other.record.newest(port, arrivedAt) - one.record.newest(port, arrivedAt),
      );
      const passed = latest?.record.take(port, arrivedAt);
      // Without one it came past no tap: of which instance is not known.
      return { process: passed && latest ? latest.process : recipient, passed };
    };
    for (const exchange of await exchangesIn(world.stack.partners[partner].journal))
      events.push(...eventsOf(exchange, originOf(exchange), { partner, recipient, subjects }));
    for (const { process, record } of instances)
      record
        .left()
        .filter(({ isShare }) => isShare)
        .forEach((passed, index) => {
          const attempt = `${partner}:${process}:tap-${index}`;
          events.push(...lonely(passed, attempt, process, { partner, recipient, subjects }));
        });
  }
  return events;
}

interface Place {
  readonly partner: PartnerName;
  readonly recipient: string;
  readonly subjects: ReadonlyMap<string, string>;
}

/** Data that left a connector and of which its partner knows nothing. */
function lonely(
  { names, at, lateMs, endedAt }: Passed,
  attempt: string,
  process: string,
  { recipient, subjects }: Place,
): HistoryEvent[] {
  const persons = new Set(names.flatMap((name) => subjects.get(name) ?? []));
  if (persons.size === 0) return [];
  const purpose = purposeAt[recipient] ?? '';
  return [
    ...[...persons].map((subject): HistoryEvent => ({
      ...{ kind: 'egress.start', at: at - lateMs, latest: at, controller, subject, recipient },
      ...{ attempt, process, effect: 'share', purpose },
    })),
    { kind: 'egress.end', at: endedAt, attempt, how: 'closed' },
  ];
}

function eventsOf(
  exchange: Exchange,
  { process, passed }: Origin,
  { partner, recipient, subjects }: Place,
): HistoryEvent[] {
  const attempt = `${partner}:${exchange.id}`;
  const events: HistoryEvent[] = [];
  for (const deed of exchange.asks) {
    const subject = deed.identifiers.map((name) => subjects.get(name)).find((key) => key !== undefined);
    if (subject === undefined) continue;
    const meant = meanings[partner](deed);
    const isRevocation = meant.some(({ effect }) => effect === 'revoke');
    for (const { effect, purposes } of meant) {
      const person = { controller, subject, recipient };
      const needsPermission = effect === 'share' || effect === 'reinstate';
      // What a tap that noticed late says of it is taken against us: sends began at the earliest, revocations when seen.
      const at = passed === undefined ? exchange.arrivedAt : passed.at - (needsPermission ? passed.lateMs : 0);
      const named = effect === 'share' ? { purpose: purposeAt[recipient] ?? '' } : { purposes };
      const noticed = passed !== undefined && passed.at > at ? { latest: passed.at } : {};
      // A revocation of one purpose may have to restate the others: that needs no permission, and is judged by what is held.
      if (effect !== 'reinstate' || !isRevocation)
        events.push({ kind: 'egress.start', at, ...noticed, ...person, attempt, process, effect, ...named });
      const outcome = outcomeOf(exchange, deed);
      events.push({
        kind: 'partner.request',
        at: exchange.arrivedAt,
        ...person,
        attempt,
        effect,
        purposes,
        ...outcome,
      });
    }
  }
  if (events.length === 0) return [];
  const answered = exchange.ended;
  const cutAt = passed?.endedAt ?? Infinity;
  // A connector that gives up resets the line; what the partner does with its answer afterwards ends nothing.
  if (answered && answered.at <= cutAt) {
    const how = answered.status === null ? 'reset' : 'answered';
    const status = answered.status === null ? {} : { status: answered.status };
    events.push({ kind: 'egress.end', at: answered.at, attempt, how, ...status });
  } else if (cutAt < Infinity) events.push({ kind: 'egress.end', at: cutAt, attempt, how: 'closed' });
  return events;
}

type Outcome = Pick<PartnerRequest, 'outcome' | 'effectAt' | 'changed' | 'answered'>;

function outcomeOf({ effect, ended }: Exchange, { identifiers }: Deed): Outcome {
  const done = effect?.of.find((deed) => deed.identifiers.some((name) => identifiers.includes(name)));
  const unchanged = done !== undefined && ['unchanged', 'absent', 'duplicate', 'rejected'].includes(done.what);
  const rejected = done?.what === 'rejected';
  // Segment takes the same preference or regulation any number of times and says the same each time.
  const changed = ['preferenceUpdated', 'regulationCreated'].includes(done?.what ?? '') ? {} : { changed: !unchanged };
  const answered = ended?.whole ?? false;
  if (effect !== undefined && done !== undefined && !rejected) {
    const success = ended?.status !== null && (ended?.status ?? 0) < 300;
    return { outcome: success ? 'applied' : 'error', effectAt: effect.at, ...changed, answered };
  }
  const status = ended?.status ?? 0;
  if (status === 429) return { outcome: 'rate-limited', answered };
  return { outcome: status >= 400 && status < 500 ? 'refused' : 'error', answered };
}
