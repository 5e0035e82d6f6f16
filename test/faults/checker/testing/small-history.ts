import { topics } from '@entente/contracts';
import { defaultSettings, type EventKind, type EventOf, type History, type HistoryEvent } from '../history.ts';

/** The one person, purpose, recipient and gate of the small history. */
export const who = { controller: 'acme', subject: 'k1.anna' } as const;
export const at = { ...who, recipient: 'ads' } as const;
const express = { topic: topics.revocations, partition: 0 } as const;
const complete = { topic: topics.changes, partition: 0 } as const;
const change = { kind: 'topic.record', type: 'change', controller: who.controller, key: who.subject } as const;
const store = 'gate-1';
const process = 'crm-1';

/**
 * A person grants (t = 10 to 25 ms), something is shared (1000 to 1021), she withdraws with `wait=gates` (2000 to 2020),
 * the partner forgets her (2050 to 2080), and everything comes to rest (9000). Every kind of evidence is there.
 */
export const story: readonly HistoryEvent[] = [
  { kind: 'store', at: 0, store, what: 'registered', controller: who.controller, process },
  { kind: 'process.started', at: 0, process, start: 's1' },
  { kind: 'consumer.assigned', at: 0, store, ...express },
  {
    kind: 'api.invoke',
    at: 10,
    op: 'grant',
    client: 'web',
    call: 'record',
    ...who,
    asked: { mail: true },
    route: '/v1',
    idempotencyKey: 'K1',
    bodyDigest: 'B1',
  },
  {
    kind: 'db.change',
    at: 20,
    ...who,
    version: 1,
    direction: 'grant',
    after: { mail: { granted: true } },
    recipients: ['ads'],
  },
  { ...change, at: 22, ...complete, offset: 0, version: 1, direction: 'grant', digest: 'd1' },
  {
    kind: 'api.ok',
    at: 25,
    op: 'grant',
    status: 201,
    answers: [{ ...who, version: 1, recorded: { mail: true } }],
    answerDigest: 'A1',
  },
  { kind: 'apply', at: 30, store, ...who, version: 1 },
  {
    kind: 'topic.record',
    at: 901,
    topic: topics.gates,
    partition: 3,
    offset: 0,
    key: 's1',
    type: 'beat',
    beats: [['s1', 1]],
    sentAt: 900,
  },
  { kind: 'topic.record', at: 950, ...express, offset: 0, key: '~watermark', type: 'watermark', beats: [['s1', 1]] },
  { kind: 'consumer.poll', at: 952, store, ...express, first: 0, last: 0 },
  {
    kind: 'api.invoke',
    at: 1000,
    op: 'share',
    client: 'web',
    call: 'share',
    ...at,
    purpose: 'mail',
    process,
    atLeastVersion: 1,
  },
  {
    kind: 'gate.decision',
    at: 1010,
    process,
    ...at,
    purpose: 'mail',
    decision: 'allow',
    attempt: 'a1',
    version: 1,
    atLeastVersion: 1,
  },
  { kind: 'egress.start', at: 1012, attempt: 'a1', process, ...at, effect: 'share', purpose: 'mail', request: 'r1' },
  {
    kind: 'partner.request',
    at: 1014,
    attempt: 'a1',
    ...at,
    effect: 'share',
    purposes: ['mail'],
    request: 'r1',
    outcome: 'applied',
    effectAt: 1015,
    changed: true,
    key: 'p1',
    bodyDigest: 'b1',
    answered: true,
  },
  { kind: 'egress.end', at: 1020, attempt: 'a1', how: 'answered', status: 200 },
  { kind: 'api.ok', at: 1021, op: 'share', status: 200, share: { outcome: 'sent', decidedOn: 1 } },
  {
    kind: 'api.invoke',
    at: 2000,
    op: 'withdraw',
    client: 'web',
    call: 'record',
    ...who,
    asked: { mail: false },
    wait: 'gates',
  },
  {
    kind: 'db.change',
    at: 2010,
    ...who,
    version: 2,
    direction: 'deny',
    after: { mail: { granted: false } },
    recipients: ['ads'],
  },
  { kind: 'produce.ack', at: 2013, ...express, offset: 1, key: who.subject, controller: who.controller, version: 2 },
  { ...change, at: 2012, ...express, offset: 1, version: 2, direction: 'deny', digest: 'd2' },
  { kind: 'consumer.poll', at: 2013, store, ...express, first: 1, last: 1 },
  { ...change, at: 2014, ...complete, offset: 1, version: 2, direction: 'deny', digest: 'd2' },
  { kind: 'apply', at: 2015, store, ...who, version: 2 },
  { kind: 'gate.confirmed', at: 2016, start: 's1', ...who, version: 2 },
  {
    kind: 'api.ok',
    at: 2020,
    op: 'withdraw',
    status: 200,
    answers: [{ ...who, version: 2, recorded: { mail: false } }],
    answerDigest: 'A2',
  },
  {
    kind: 'egress.start',
    at: 2050,
    attempt: 'a2',
    process,
    ...at,
    effect: 'revoke',
    purposes: ['mail'],
    version: 2,
    request: 'c2',
  },
  {
    kind: 'partner.request',
    at: 2055,
    attempt: 'a2',
    ...at,
    effect: 'revoke',
    purposes: ['mail'],
    version: 2,
    request: 'c2',
    outcome: 'applied',
    effectAt: 2056,
    changed: true,
    answered: true,
  },
  { kind: 'egress.end', at: 2060, attempt: 'a2', how: 'answered', status: 200 },
  {
    kind: 'tracker.row',
    at: 2500,
    ...at,
    version: 2,
    status: 'accepted',
    settledAt: 2080,
    gateClosedAt: 2016,
    dump: 1,
  },
  { kind: 'mark', at: 9000, what: 'quiesced' },
  { kind: 'topic.ends', at: 9001, ...express, start: 0, end: 2 },
  { kind: 'topic.ends', at: 9001, ...complete, start: 0, end: 2 },
  { kind: 'db.state', at: 9002, ...who, version: 2, vector: { mail: { granted: false } } },
  { kind: 'db.ledger', at: 9002, ...who, version: 1 },
  { kind: 'db.ledger', at: 9002, ...who, version: 2 },
  { kind: 'store.state', at: 9003, store, ...who, version: 2, granted: [] },
  { kind: 'partner.state', at: 9004, ...at, purposes: [] },
  {
    kind: 'tracker.row',
    at: 9005,
    ...at,
    version: 2,
    status: 'accepted',
    settledAt: 2080,
    gateClosedAt: 2016,
    dump: 2,
  },
];

/** Under virtual time: instants are exact, so an edge is where the rule says. */
export const exact = { ...defaultSettings, clockResolutionMs: 0 };

export const historyOf = (events: readonly HistoryEvent[], more: Partial<History> = {}): History => ({
  settings: exact,
  events,
  ...more,
});

/** The one event of that kind for which `is` holds; a test that names none or several is wrong itself. */
export function theOne<Kind extends EventKind>(
  kind: Kind,
  is: (event: EventOf<Kind>) => boolean = () => true,
  events: readonly HistoryEvent[] = story,
): EventOf<Kind> {
  const found = events.filter((event): event is EventOf<Kind> => event.kind === kind && is(event as EventOf<Kind>));
  const [one] = found;
  if (!one || found.length > 1) throw new Error(`${found.length} events ${kind}`);
  return one;
}

/** The story without these events and with those. */
export const changed = (without: readonly HistoryEvent[], added: readonly HistoryEvent[]): HistoryEvent[] => [
  ...story.filter((event) => !without.includes(event)),
  ...added,
];

/** The story with one event told differently. */
export const retold = <E extends HistoryEvent>(event: E, difference: Partial<E>): HistoryEvent[] =>
  changed([event], [{ ...event, ...difference }]);
