import { describe, test } from '@jest/globals';
import type { ApiInvoke, ApiOk, HistoryEvent, Nemesis } from './history.ts';
import { expectClean, expectOne } from './testing/expectations.ts';
import { at, changed, exact, retold, story, theOne, who } from './testing/small-history.ts';

const grant = theOne('api.invoke', ({ op }) => op === 'grant');
const granted = theOne('db.change', ({ version }) => version === 1);
const grantAnswer = theOne('api.ok', ({ op }) => op === 'grant');
const withdrawn = theOne('db.change', ({ version }) => version === 2);
const withdrawal = theOne('api.invoke', ({ op }) => op === 'withdraw');
const answer = theOne('api.ok', ({ op }) => op === 'withdraw');
const state = theOne('db.state');
const store = theOne('store');
const applied = story.filter((event) => event.kind === 'apply');
const [appliedGrant, appliedDeny] = applied as [HistoryEvent & { kind: 'apply' }, HistoryEvent & { kind: 'apply' }];
const held = theOne('store.state');

describe('DURABLE-ACK', () => {
  // A read of what the withdrawal recorded, so that nothing but its durability is asked about.
  const read: ApiInvoke = {
    kind: 'api.invoke',
    at: 2100,
    op: 'r',
    client: 'web',
    ...who,
    call: 'record',
    asked: { mail: false },
  };
  const answered = (version: number, recorded = { mail: false }, when = 2105): ApiOk => ({
    kind: 'api.ok',
    at: when,
    op: 'r',
    status: 200,
    answers: [{ ...who, version, recorded }],
  });

  test('an answer for what never committed', () => {
    expectOne([...story, read, answered(3)], 'DURABLE-ACK', [read, answered(3)]);
  });
  test('an answer given before the commit', () => {
    const early = { ...answer, at: withdrawn.at - 1 };
    const before = { ...withdrawal, wait: 'none' as const };
    expectOne(changed([answer, withdrawal], [early, before]), 'DURABLE-ACK', [before, early, withdrawn]);
    expectClean(changed([answer, withdrawal], [{ ...early, at: withdrawn.at }, before]));
  });
  test('an answer that says another state than was recorded', () => {
    const wrong = answered(2, { mail: true });
    expectOne([...story, read, wrong], 'DURABLE-ACK', [withdrawn, read, wrong]);
  });
  test('a final row at an older version', () => {
    const older = { ...state, version: 1, vector: granted.after };
    expectOne(changed([state], [older]), 'DURABLE-ACK', [withdrawal, answer, older]);
  });
  test('no final row', () => {
    const another: HistoryEvent = { ...state, subject: 'k1.unanswered', version: 0, vector: {} };
    const only = changed([state, grantAnswer, grant], [another]);
    expectOne(only, 'DURABLE-ACK', [withdrawal, answer]);
  });
  test('no entry in the ledger', () => {
    const entry = theOne('db.ledger', ({ version }) => version === 2);
    expectOne(changed([entry], []), 'DURABLE-ACK', [withdrawal, answer]);
  });
  test('a timeout proves nothing', () => {
    expectClean([...story, read, { kind: 'api.info', at: 2105, op: 'r', why: 'timeout' }]);
  });
});

describe('NO-PHANTOM', () => {
  test('a record of what never committed', () => {
    const phantom: HistoryEvent = {
      ...theOne('topic.record', ({ topic, version }) => version === 2 && topic.includes('changes')),
      offset: 2,
      version: 3,
    };
    expectOne([...story, phantom], 'NO-PHANTOM', [phantom]);
  });
  test('a record published before its commit', () => {
    const record = theOne('topic.record', ({ version }) => version === 1);
    expectClean(retold(record, { at: granted.at }));
    const early = { ...record, at: granted.at - 1 };
    expectOne(changed([record], [early]), 'NO-PHANTOM', [early, granted]);
  });
  test('a record of a timeline that was lost', () => {
    const lost: HistoryEvent = { ...granted, at: 2005.5, subject: 'k1.lost', lost: true };
    const record: HistoryEvent = {
      ...theOne('topic.record', ({ version }) => version === 1),
      at: 2007,
      key: 'k1.lost',
      offset: 2,
    };
    expectClean([...story, lost]);
    expectOne([...story, lost, record], 'NO-PHANTOM', [lost, record]);
  });
  test.each<[string, HistoryEvent]>([
    ['tracker row', { ...theOne('tracker.row', ({ dump }) => dump === 2), version: 3, status: 'waiting' }],
    [
      'partner call',
      { ...theOne('partner.request', ({ effect }) => effect === 'revoke'), version: 3, effectAt: 2057, changed: false },
    ],
    ['ledger entry', { ...theOne('db.ledger', ({ version }) => version === 2), version: 3 }],
    ['applied version', { ...appliedDeny, version: 3, store: 'gate-2' }],
    ['confirmation', { ...theOne('gate.confirmed'), version: 3, subject: 'k1.nobody' }],
  ])('a %s for what never committed', (_what, phantom) => {
    expectOne([...story, phantom], 'NO-PHANTOM', [phantom]);
  });
});

describe('NO-LOSS', () => {
  const inComplete = theOne('topic.record', ({ topic, version }) => version === 2 && topic.includes('changes'));
  const inExpress = theOne('topic.record', ({ topic, version }) => version === 2 && topic.includes('revocations'));
  const confirmation = theOne('gate.confirmed');

  test('a change that is not in the complete log', () => {
    expectOne(changed([inComplete], []), 'NO-LOSS', [withdrawn]);
  });
  test('a withdrawal that is not on the express lane, and still in the outbox', () => {
    const row: HistoryEvent = { kind: 'db.outbox', at: 9002, ...who, version: 2, lane: 'urgent' };
    const unpublished = changed(
      [inExpress, theOne('produce.ack'), theOne('consumer.poll', ({ first }) => first === 1)],
      [row],
    );
    expectOne(unpublished, 'NO-LOSS', [withdrawn, row]);
  });
  test('a grant needs the complete log alone', () => expectClean(story));
  test('a store that never took the change', () => {
    const without = changed([appliedDeny, held, confirmation], []);
    expectOne(without, 'NO-LOSS', [store, withdrawn]);
    expectClean([...without, { ...store, at: 8000, what: 'retired' }]);
    expectClean(without.filter(({ kind }) => kind !== 'mark'));
  });
  test('a later version stands for an earlier one', () => expectClean(changed([appliedGrant], [])));
});

describe('ORDER', () => {
  test('a store that applies an older version after a newer one', () => {
    const back = { ...appliedGrant, at: 2200 };
    expectOne([...story, back], 'ORDER', [appliedDeny, back]);
  });
  test('the same version twice', () => {
    const twice = { ...appliedDeny, at: 2200 };
    expectOne([...story, twice], 'ORDER', [appliedDeny, twice]);
  });
  test('over a restart too, but not over the loss of the store', () => {
    const emptied: HistoryEvent = { ...store, at: 2100, what: 'emptied' };
    expectClean([...story, emptied, { ...appliedDeny, at: 2200 }, { ...store, at: 2300, what: 'seeded' }]);
  });
  test('versions that committed in another order', () => {
    const late = { ...granted, version: 3, at: 2009, after: withdrawn.after, direction: 'grant' as const };
    const open = story.filter((event) => event.at < 2500 && event.kind !== 'gate.confirmed');
    expectOne([...open, late], 'ORDER', [late, withdrawn]);
    expectClean([...open, { ...late, at: 2010 }]);
  });
  test('a store whose final dump is older than what it applied', () => {
    const older = { ...held, version: 1, granted: ['mail'] };
    expectOne(changed([held], [older]), 'ORDER', [appliedDeny, older]);
  });
});

describe('CONVERGENCE', () => {
  test('a store with the right version and the wrong grants', () => {
    const wrong = { ...held, granted: ['mail'] };
    expectOne(changed([held], [wrong]), 'CONVERGENCE', [withdrawn, wrong]);
  });
  test('a state table with another vector than its version’s', () => {
    const wrong = { ...state, vector: granted.after };
    expectOne(changed([state], [wrong]), 'CONVERGENCE', [withdrawn, wrong]);
  });
  const partner = theOne('partner.state');
  test('a partner that still holds what was withdrawn', () => {
    const still = { ...partner, purposes: ['mail'] };
    expectOne(changed([partner], [still]), 'CONVERGENCE', [withdrawn, still]);
  });
  test('parked work shows, ages and alarms: there the partner may still hold it', () => {
    const rows = story.filter(({ kind }) => kind === 'tracker.row');
    const parked: HistoryEvent = {
      ...theOne('tracker.row', ({ dump }) => dump === 2),
      status: 'parked',
      reason: 'missing-identifier',
    };
    const alert: HistoryEvent = { kind: 'ops.alert', at: 3000, name: 'parked', recipient: 'ads' };
    expectClean(changed([...rows, partner], [parked, alert, { ...partner, purposes: ['mail'] }]));
  });
});

describe('API-IDEMPOTENT', () => {
  const again = (more: Partial<ApiInvoke> = {}): ApiInvoke => ({ ...grant, at: 40, op: 'again', ...more });
  const repeated = (more: Partial<ApiOk> = {}): ApiOk => ({ ...grantAnswer, at: 45, op: 'again', ...more });

  test('the same key and body have the same answer', () => expectClean([...story, again(), repeated()]));
  test('answered differently', () => {
    const other = repeated({ answerDigest: 'A9' });
    expectOne([...story, again(), other], 'API-IDEMPOTENT', [grant, grantAnswer, again(), other]);
  });
  test('the same key made a second change', () => {
    const second = { ...granted, at: 42, version: 1.5 };
    const other = repeated({ answers: [{ ...who, version: 1.5, recorded: { mail: true } }] });
    const open = story.filter((event) => event.at < 9000);
    expectOne([...open, second, again(), other], 'API-IDEMPOTENT', [grant, grantAnswer, again(), other]);
  });
  test('another body under the same key is refused', () => {
    const different = again({ bodyDigest: 'B2' });
    expectOne([...story, different, repeated()], 'API-IDEMPOTENT', [grant, grantAnswer, different, repeated()]);
    expectClean([...story, different, { kind: 'api.fail', at: 45, op: 'again', status: 422 }]);
  });
  test('another client, route or controller has keys of its own', () => {
    expectClean([...story, again({ client: 'other', bodyDigest: 'B2' }), repeated()]);
  });
  test('denying is judged by state, not by key (REC-3)', () => {
    const keyed = { ...withdrawal, wait: 'none' as const, idempotencyKey: 'K1', bodyDigest: 'B2', route: '/v1' };
    expectClean(changed([withdrawal], [keyed]));
  });
  test('a repeated withdrawal with nothing granted in between makes no second change', () => {
    const keyed = { ...withdrawal, wait: 'none' as const, idempotencyKey: 'K2', bodyDigest: 'B2' };
    const repeat = { ...keyed, at: 2100, op: 'again' };
    const second = { ...withdrawn, at: 2105, version: 3 };
    const other = { ...answer, at: 2110, op: 'again', answers: [{ ...who, version: 3, recorded: { mail: false } }] };
    const open = changed([withdrawal], [keyed]).filter((event) => event.at < 9000);
    expectOne([...open, repeat, second, other], 'API-IDEMPOTENT', [keyed, answer, repeat, other]);
    expectClean([
      ...open,
      repeat,
      { ...second, version: 4 },
      { ...granted, at: 2095, version: 3 },
      { ...other, answers: [{ ...who, version: 4, recorded: { mail: false } }] },
    ]);
  });
});

describe('CAUSAL', () => {
  const asked = theOne('api.invoke', ({ op }) => op === 'share');
  const told = theOne('api.ok', ({ op }) => op === 'share');

  test('decided on an older version than the share carried', () => {
    const newer = { ...asked, atLeastVersion: 2 };
    expectOne(changed([asked], [newer]), 'CAUSAL', [newer, told]);
    expectClean(changed([asked, told], [newer, { ...told, share: { outcome: 'stale' } }]));
  });
  test('an answer no version from there on explains', () => {
    const denied: ApiOk = { ...told, share: { outcome: 'denied' } };
    const soon = { ...asked, at: 40 };
    const unlogged = story.filter(({ kind }) => kind !== 'gate.decision');
    expectOne([...unlogged.filter((event) => event !== asked && event !== told), soon, denied], 'CAUSAL', [
      soon,
      denied,
    ]);
  });
  test('a gate’s own log of a decision below the version asked for', () => {
    const decision = theOne('gate.decision');
    const older = { ...decision, atLeastVersion: 2 };
    expectOne(changed([decision], [older]), 'CAUSAL', [older]);
  });
});

describe('AVAIL', () => {
  const calm = story.filter((event) => event.at < 900);
  const ask = (op: string, when: number, outcome: 'sent' | 'denied' | 'stale'): [ApiInvoke, ApiOk] => [
    { kind: 'api.invoke', at: when, op, client: 'web', call: 'share', ...at, purpose: 'mail', process: 'crm-1' },
    { kind: 'api.ok', at: when + 5, op, status: 200, share: { outcome } },
  ];
  const fine = Array.from({ length: 999 }, (_, n) => ask(`fine ${n}`, 6000 + n, 'sent')).flat();

  test('shares of a long-granted subject are allowed, all but one in a thousand', () => {
    expectClean([...calm, ...fine, ...ask('one', 7000, 'stale')]);
    const [first, second] = [ask('one', 7000, 'denied'), ask('two', 7010, 'stale')];
    expectOne([...calm, ...fine, ...first, ...second], 'AVAIL', first);
  });
  test('a subject granted a moment ago, or just denied, says nothing', () => {
    const lone = { ...granted, at: 8000.5, version: 1 };
    const started = theOne('process.started');
    expectClean([started, lone, ...ask('soon', 10_000, 'stale')]);
    expectClean([...calm, { ...withdrawn, at: 8000 }, ...ask('late', 8001, 'denied')]);
  });
  test('a gate that is still closed 5 s after the fault healed', () => {
    const cut: Nemesis = { kind: 'nemesis', at: 12_000, to: 20_000, fault: 'F6', what: 'cut', target: 'kafka' };
    const closed = ask('closed', 25_001, 'stale');
    expectOne([...calm, ...fine, cut, ...closed], 'AVAIL', [cut, ...closed]);
    expectClean([...calm, ...fine, cut, ...ask('closed', 25_000, 'stale')], { settings: exact });
  });
});

describe('NEVER-BLOCKED', () => {
  const mixed: ApiInvoke = { ...withdrawal, at: 2200, op: 'm', asked: { mail: false, ads: true }, wait: 'none' };
  const refused = (status: number): HistoryEvent => ({ kind: 'api.fail', at: 2205, op: 'm', status });
  const recorded: ApiOk = { ...answer, at: 2205, op: 'm' };

  test.each([400, 401, 403, 409, 412, 422])('a denial refused with %i for what stands beside it', (status) => {
    expectOne([...story, mixed, refused(status)], 'NEVER-BLOCKED', [mixed, refused(status)]);
  });
  test('one refused for another reason than it was meant to meet', () => {
    const unreadable: ApiInvoke = { ...mixed, mayBeRefused: [400] };
    expectOne([...story, unreadable, refused(403)], 'NEVER-BLOCKED', [unreadable, refused(403)]);
  });
  test('an answer that passes a denial over', () => {
    const silent: ApiOk = { ...recorded, answers: [{ ...who, version: 2, recorded: {} }] };
    expectOne([...story, mixed, silent], 'NEVER-BLOCKED', [mixed, silent]);
  });
  test('a denial that is recorded, a caller who is meant not to be let in, and a service that can do nothing', () => {
    expectClean([...story, mixed, recorded]);
    expectClean([...story, { ...mixed, mayBeRefused: [403] }, refused(403)]);
    expectClean([...story, mixed, refused(503)]);
  });
});

describe('LEDGER', () => {
  const [first, second] = story.filter((event) => event.kind === 'db.ledger') as [
    HistoryEvent & { kind: 'db.ledger' },
    HistoryEvent & { kind: 'db.ledger' },
  ];
  const numbered = (one: object, two: object): HistoryEvent[] =>
    changed(
      [first, second],
      [
        { ...first, ...one },
        { ...second, ...two },
      ],
    );

  test('numbers without a gap, each following from the one before', () =>
    expectClean(numbered({ number: 1, sound: true }, { number: 2, sound: true })));
  test('an entry that nobody numbered', () => {
    expectOne(numbered({ number: 1 }, { number: null }), 'LEDGER', [{ ...second, number: null }]);
  });
  test('a number left out', () => {
    expectOne(numbered({ number: 1 }, { number: 3 }), 'LEDGER', [{ ...second, number: 3 }]);
  });
  test('a number given twice', () => {
    expectOne(numbered({ number: 1 }, { number: 1 }), 'LEDGER', [
      { ...first, number: 1 },
      { ...second, number: 1 },
    ]);
  });
  test('a hash of another history', () => {
    expectOne(numbered({ number: 1 }, { number: 2, sound: false }), 'LEDGER', [{ ...second, number: 2, sound: false }]);
  });
});
