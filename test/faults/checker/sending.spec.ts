import { describe, test } from '@jest/globals';
import type { EgressStart, GateDecision, HistoryEvent, Nemesis } from './history.ts';
import { expectClean, expectOne } from './testing/expectations.ts';
import { at, changed, exact, retold, story, theOne, who } from './testing/small-history.ts';

const withdrawn = theOne('db.change', ({ version }) => version === 2);
const granted = theOne('db.change', ({ version }) => version === 1);
const withdrawal = theOne('api.invoke', ({ op }) => op === 'withdraw');
const answer = theOne('api.ok', ({ op }) => op === 'withdraw');
const confirmation = theOne('gate.confirmed');
const firstShare = theOne('egress.start', ({ attempt }) => attempt === 'a1');
const started = theOne('process.started');
const [beat, watermark] = [
  theOne('topic.record', ({ type }) => type === 'beat'),
  theOne('topic.record', ({ type }) => type === 'watermark'),
];
const rows = story.filter(({ kind }) => kind === 'tracker.row');

/** Taps of real processes, which tell milliseconds apart and no more. */
const blurred = { ...exact, clockResolutionMs: 1 };

/** A share from a process the other evidence says nothing of: a gate elsewhere. */
const shareAt = (when: number, more: Partial<EgressStart> = {}): EgressStart => ({
  kind: 'egress.start',
  at: when,
  attempt: `at ${when}`,
  process: 'web-7',
  ...at,
  effect: 'share',
  purpose: 'mail',
  ...more,
});
const ended = (start: EgressStart): HistoryEvent => ({
  kind: 'egress.end',
  at: start.at + 5,
  attempt: start.attempt,
  how: 'reset',
});
const sent = (start: EgressStart): HistoryEvent[] => [start, ended(start)];

/** The withdrawal answered without waiting for gates, and no claims about it: D alone counts. */
const plain = changed([withdrawal, confirmation, ...rows], [{ ...withdrawal, wait: 'none' }]);

test('the story is lawful', () => expectClean(story));

describe('NO-LEAK', () => {
  const answeredAt = answer.at;

  test('a share more than D after the answer', () => {
    const leak = shareAt(answeredAt + 2001);
    expectOne([...plain, ...sent(leak)], 'NO-LEAK', [withdrawn, answer, leak]);
  });
  test('exactly D after the answer is not yet a leak, and neither is the instant of the answer', () => {
    expectClean([...plain, ...sent(shareAt(answeredAt + 2000)), ...sent(shareAt(answeredAt))]);
  });
  test('the taps of real processes count instants within their resolution as equal', () => {
    expectClean([...plain, ...sent(shareAt(answeredAt + 2001))], { settings: blurred });
  });
  test('a share at the instant of the grant’s commit is lawful, one before it is not', () => {
    expectClean([...plain, ...sent(shareAt(granted.at))]);
    const early = shareAt(granted.at - 1);
    expectOne([...plain, ...sent(early)], 'NO-LEAK', [early]);
  });
  test('a commit counts from the earliest instant it can have had', () => {
    const early = plain.map((event) => (event === granted ? { ...granted, errorMs: 2 } : event));
    expectClean([...early, ...sent(shareAt(granted.at - 2))]);
  });
  test('a subject without any record', () => {
    const leak = shareAt(1500, { subject: 'k1.nobody' });
    expectOne([...plain, ...sent(leak)], 'NO-LEAK', [leak]);
  });
  test('a recipient the notice does not name', () => {
    const narrow = { ...granted, after: { mail: { granted: true, recipients: ['ads'] } } };
    const leak = shareAt(1500, { recipient: 'crm' });
    expectOne([...plain.filter((event) => event !== granted), narrow, ...sent(leak)], 'NO-LEAK', [narrow, leak]);
  });
  test('a withdrawal that timed out counts only once something later was answered', () => {
    const lost = plain.map((event): HistoryEvent =>
      event === answer ? { kind: 'api.info', at: answer.at, op: answer.op, why: 'timeout' } : event,
    );
    expectClean([...lost, ...sent(shareAt(answeredAt + 4000))]);
    const again: HistoryEvent[] = [
      { ...withdrawal, op: 'again', at: 3000, wait: 'none' },
      { ...answer, op: 'again', at: 3010 },
    ];
    const leak = shareAt(3010 + 2001);
    expectOne([...lost, ...again, ...sent(leak)], 'NO-LEAK', [withdrawn, again[1] as HistoryEvent, leak]);
    expectClean([...lost, ...again, ...sent(shareAt(3010 + 2000))]);
  });
  test('a purpose the catalogue closed', () => {
    const open: HistoryEvent = { kind: 'db.catalogue', at: 1, controller: who.controller, number: 1, closed: [] };
    const shut: HistoryEvent = { ...open, at: 1100, number: 2, closed: [{ purpose: 'mail' }] };
    const call: HistoryEvent[] = [
      { kind: 'api.invoke', at: 1090, op: 'shut', client: 'ops', controller: who.controller, call: 'catalogue' },
      { kind: 'api.ok', at: 1110, op: 'shut', status: 200, catalogue: 2 },
    ];
    const early = plain.filter((event) => event.at < 2000);
    expectClean([...early, open, shut, ...call, ...sent(shareAt(1110 + 2000))]);
    const leak = shareAt(1110 + 2001);
    expectOne([...early, open, shut, ...call, ...sent(leak)], 'NO-LEAK', [shut, call[1] as HistoryEvent, leak]);
  });
  test('a share that reached the partner around the tap', () => {
    const unseen: HistoryEvent = {
      kind: 'partner.request',
      at: 9500,
      ...at,
      effect: 'share',
      purposes: ['mail'],
      outcome: 'refused',
      answered: true,
    };
    expectOne([...plain, unseen], 'NO-LEAK', [unseen]);
  });
  test('undoing a revocation needs the same permission as a share', () => {
    const leak = shareAt(answeredAt + 2001, { effect: 'reinstate', purposes: ['mail'] });
    delete (leak as { purpose?: string }).purpose;
    expectOne([...plain, ...sent(leak)], 'NO-LEAK', [withdrawn, answer, leak]);
  });
});

describe('NO-LEAK-STRICT', () => {
  const strict = changed([confirmation, ...rows], []);

  test('a share after the gates were said to be closed', () => {
    const leak = shareAt(answer.at + 1);
    expectOne([...strict, ...sent(leak)], 'NO-LEAK-STRICT', [withdrawn, answer, leak]);
  });
  test('the instant of the answer itself, and the clock’s resolution after it, are lawful', () => {
    expectClean([...strict, ...sent(shareAt(answer.at))]);
    expectClean([...strict, ...sent(shareAt(answer.at + 1))], { settings: blurred });
  });
  test('a later grant opens again', () => {
    const regrant = { ...granted, at: 2100, version: 3 };
    expectClean([...strict.filter((event) => event.at < 9000), regrant, ...sent(shareAt(2100))]);
  });
});

describe('PAUSE-LEAK', () => {
  const stop: Nemesis = { kind: 'nemesis', at: 2500, to: 6000, fault: 'F1', what: 'stop', target: 'web-7' };

  test('a process stopped between decision and first byte is counted apart', () => {
    const late = shareAt(6001);
    expectOne([...plain, stop, ...sent(late)], 'PAUSE-LEAK', [withdrawn, answer, stop, late]);
  });
  test('a paused send that breaks several rules is counted once', () => {
    const late = shareAt(6001);
    const strict = changed([confirmation, ...rows], []);
    const before = { ...stop, at: answer.at - 5 };
    expectOne([...strict, before, ...sent(late)], 'PAUSE-LEAK', [withdrawn, before, answer, late]);
    expectOne([...strict, { ...before, at: answer.at + 1 }, ...sent(late)], 'NO-LEAK-STRICT', [
      withdrawn,
      answer,
      late,
    ]);
  });
  test('with a receiver that refuses what is past its deadline nothing is left to count', () => {
    const late = shareAt(6001);
    const refused: HistoryEvent = {
      kind: 'partner.request',
      at: 6002,
      attempt: late.attempt,
      ...at,
      effect: 'share',
      purposes: ['mail'],
      outcome: 'late',
      answered: true,
    };
    expectClean([...plain, stop, ...sent(late), refused]);
  });
  test.each<[string, HistoryEvent[], EgressStart]>([
    ['long after it woke', [stop], shareAt(6100)],
    ['decided after it woke', [stop, decision(6000.5, 'at 6001')], shareAt(6001)],
    ['unlawful before it was stopped', [{ ...stop, at: 4500 }], shareAt(6001)],
    ['of another process', [{ ...stop, target: 'web-8' }], shareAt(6001)],
  ])('a stop excuses no share %s', (_why, more, leak) => {
    expectOne([...plain, ...more, ...sent(leak)], 'NO-LEAK', [withdrawn, answer, leak]);
  });

  function decision(when: number, attempt: string): GateDecision {
    return { kind: 'gate.decision', at: when, process: 'web-7', ...at, purpose: 'mail', decision: 'allow', attempt };
  }
});

test('EXPIRY: a share more than e after the grant has ended, with no event', () => {
  const until = { ...granted, after: { mail: { granted: true, validUntil: 1500 } } };
  const events = plain.map((event) => (event === granted ? until : event));
  expectClean([...events, ...sent(shareAt(1550))]);
  const late = shareAt(1551);
  expectOne([...events, ...sent(late)], 'EXPIRY', [until, late]);
});

describe('FAIL-CLOSED', () => {
  test('a share more than D after the sending of the newest beat that came back', () => {
    const early = shareAt(2900, { process: started.process });
    const granting = plain.filter(({ kind, at: when }) => when < 2000 && kind !== 'gate.decision');
    expectClean([...granting, ...sent(early)]);
    const late = shareAt(2901, { process: started.process });
    expectOne([...granting, ...sent(late)], 'FAIL-CLOSED', [watermark, late]);
  });
  test('a share that a tap noticed late may have left after the proof that came meanwhile', () => {
    const granting = plain.filter(({ kind, at: when }) => when < 2000 && kind !== 'gate.decision');
    const back: HistoryEvent[] = [
      { ...beat, at: 2910, offset: 1, beats: [['s1', 2]], sentAt: 2905 },
      { ...watermark, at: 2930, offset: 1, beats: [['s1', 2]] },
    ];
    const noticed = { ...shareAt(2915, { process: started.process }), latest: 2940 };
    expectClean([...granting, ...back, ...sent(noticed)]);
    const early = { ...noticed, latest: 2920 };
    expectOne([...granting, ...back, ...sent(early)], 'FAIL-CLOSED', [watermark, early]);
  });
  test('a share more than D after a fault cut the process off', () => {
    const cut: Nemesis = {
      kind: 'nemesis',
      at: 1100,
      to: 5000,
      fault: 'F6',
      what: 'cut',
      target: 'kafka',
      cutsProof: 'all',
    };
    const granting = plain.filter((event) => event.at < 2000);
    expectClean([...granting, cut, ...sent(shareAt(3100))]);
    const late = shareAt(3101);
    expectOne([...granting, cut, ...sent(late)], 'FAIL-CLOSED', [cut, late]);
    // Before it was there for certain a proof may still have come.
    const sure = { ...cut, sureFrom: 1105, sureTo: 4990 };
    expectClean([...granting, sure, ...sent(shareAt(3105))]);
    const later = shareAt(3106);
    expectOne([...granting, sure, ...sent(later)], 'FAIL-CLOSED', [sure, later]);
  });
});

describe('LEASE-RESET', () => {
  const undecided = plain.filter(({ kind }) => kind !== 'gate.decision');

  test('a restarted process that sends before a beat of its own start came back', () => {
    const again: HistoryEvent = { ...started, at: 1100, start: 's2' };
    const share = shareAt(1200, { process: started.process });
    expectOne([...undecided, again, ...sent(share)], 'LEASE-RESET', [again, share]);
    const back: HistoryEvent[] = [
      { ...beat, at: 1110, offset: 1, beats: [['s2', 1]], sentAt: 1105 },
      { ...watermark, at: 1199, topic: watermark.topic, offset: 0, partition: 0, beats: [['s2', 1]] },
    ];
    expectClean(
      [...undecided.filter((event) => event !== watermark), again, ...back, ...sent(share)].filter(
        (event) => event !== firstShare && !('attempt' in event && event.attempt === 'a1'),
      ),
    );
  });
  test.each([
    ['while its replica is not seeded', []],
    [
      'on a lease from before its replica was lost',
      [{ kind: 'store', at: 1150, store: 'gate-1', what: 'seeded', process: started.process }],
    ],
  ] satisfies [string, HistoryEvent[]][])('a gate that sends %s', (_why, more) => {
    const emptied: HistoryEvent = {
      kind: 'store',
      at: 1100,
      store: 'gate-1',
      what: 'emptied',
      process: started.process,
    };
    const share = shareAt(1200, { process: started.process });
    const reapplied: HistoryEvent = { kind: 'apply', at: 1140, store: 'gate-1', ...who, version: 1 };
    expectOne([...undecided, emptied, reapplied, ...more, ...sent(share)], 'LEASE-RESET', [emptied, share]);
  });
});

describe('RE-CHECK', () => {
  const decision = theOne('gate.decision');

  test('a retry without a decision of its own', () => {
    const retry = shareAt(1300, { process: started.process, attempt: 'a1b', request: 'r1' });
    expectOne([...story, ...sent(retry)], 'RE-CHECK', [retry]);
  });
  test('a chunk on a decision older than 250 ms', () => {
    expectClean(retold(decision, { at: firstShare.at - 250 }));
    const old = { ...decision, at: firstShare.at - 251 };
    expectOne(changed([decision], [old]), 'RE-CHECK', [old, firstShare]);
  });
  test('a share that the same start had confirmed to refuse', () => {
    const late = shareAt(confirmation.at + 1, { process: started.process, attempt: 'a3' });
    const claimless = changed([withdrawal, ...rows], [{ ...withdrawal, wait: 'none' }]);
    const decided: HistoryEvent = { ...decision, at: late.at, attempt: 'a3', version: 2 };
    expectOne([...claimless, decided, ...sent(late)], 'RE-CHECK', [withdrawn, confirmation, late]);
  });
});

test('INFLIGHT: an attempt ends within its hard timeout, unless its process was stopped or died', () => {
  const end = theOne('egress.end', ({ attempt }) => attempt === 'a1');
  const revocation = story.filter((event) => event.at >= 2000 && event.kind !== 'mark');
  const open = story.filter((event) => !revocation.includes(event) && event !== end && event.kind !== 'mark');
  expectClean([...open, { ...end, at: 1012 + 5050 }]);
  const late = { ...end, at: 1012 + 5051 };
  expectOne([...open, late], 'INFLIGHT', [firstShare, late]);
  expectClean([
    ...open,
    late,
    { kind: 'nemesis', at: 1013, to: 1014, fault: 'F1', what: 'stop', target: started.process },
  ]);
  const much: HistoryEvent = { kind: 'mark', at: 9000, what: 'end' };
  expectOne([...open, much], 'INFLIGHT', [firstShare]);
  expectClean([...open, much, { kind: 'process.ended', at: 1100, process: started.process, how: 'kill' }]);
});
