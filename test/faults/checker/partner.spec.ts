import { purposeId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { check } from './check.ts';
import type { EgressStart, HistoryEvent, Nemesis, PartnerRequest, TrackerRow } from './history.ts';
import { expectClean, expectOne } from './testing/expectations.ts';
import { changed, exact, historyOf, retold, story, theOne, who } from './testing/small-history.ts';

const granted = theOne('db.change', ({ version }) => version === 1);
const withdrawn = theOne('db.change', ({ version }) => version === 2);
const withdrawal = theOne('api.invoke', ({ op }) => op === 'withdraw');
const confirmation = theOne('gate.confirmed');
const share = theOne('egress.start', ({ attempt }) => attempt === 'a1');
const shared = theOne('partner.request', ({ attempt }) => attempt === 'a1');
const call = theOne('egress.start', ({ attempt }) => attempt === 'a2');
const revoked = theOne('partner.request', ({ attempt }) => attempt === 'a2');
const callEnd = theOne('egress.end', ({ attempt }) => attempt === 'a2');
const first = theOne('tracker.row', ({ dump }) => dump === 1);
const last = theOne('tracker.row', ({ dump }) => dump === 2);

describe('FENCE', () => {
  test('an older operation that takes effect after a newer one', () => {
    const older: PartnerRequest = { ...revoked, at: 2100, attempt: 'a0', version: 1, effectAt: 2101, changed: false };
    expectOne([...story, older], 'FENCE', [revoked, older]);
    expectClean([...story, { ...older, effectAt: 2056, at: 2054 }]);
  });
  test('an older operation that had no effect is fenced', () => {
    const { effectAt: _none, ...older } = { ...revoked, at: 2100, version: 1, outcome: 'refused' as const };
    expectClean([...story, older]);
  });
  test('two calls on one person under way at once', () => {
    const second: EgressStart = { ...call, attempt: 'a3', at: callEnd.at - 1 };
    const end: HistoryEvent = { ...callEnd, attempt: 'a3', at: callEnd.at + 5 };
    expectOne([...story, second, end], 'FENCE', [call, second]);
    expectClean([...story, { ...second, at: callEnd.at }, end]);
  });
  test('what resumes a person passes like a share, beside another or beside a revocation', () => {
    const resumed: EgressStart = { ...call, attempt: 'r1', effect: 'reinstate', at: 2200, purposes: [] };
    const another: EgressStart = { ...resumed, attempt: 'r2', at: 2201, purposes: [purposeId('ads')] };
    const revocation: EgressStart = { ...call, attempt: 'r3', at: 2202 };
    const ends = ['r1', 'r2', 'r3'].map((attempt): HistoryEvent => ({ ...callEnd, attempt, at: 2210 }));
    const found = check(historyOf([...story, resumed, another, revocation, ...ends]));
    expect(found.filter(({ rule }) => rule === 'FENCE')).toEqual([]);
  });
  test('the open socket of a stopped worker is not a second call', () => {
    const stop: Nemesis = { kind: 'nemesis', at: 2052, to: 2055, fault: 'F1', what: 'stop', target: call.process };
    const second: EgressStart = { ...call, attempt: 'a3', at: callEnd.at - 1, process: 'crm-2' };
    expectClean([...story, stop, second, { ...callEnd, attempt: 'a3', at: 2070 }]);
  });
});

describe('EFFECT-ONCE', () => {
  const retry: PartnerRequest = { ...shared, at: 1030, attempt: 'a1b', effectAt: 1031 };
  const start: EgressStart = { ...share, at: 1028, attempt: 'a1b' };
  const decision: HistoryEvent = { ...theOne('gate.decision'), at: 1027, attempt: 'a1b' };
  const end: HistoryEvent = { ...callEnd, at: 1035, attempt: 'a1b' };

  test('a retry under the key of its first try', () => expectClean([...story, decision, start, retry, end]));
  test('a retry under a new key that takes effect', () => {
    const second = { ...retry, key: 'p2' };
    expectOne([...story, decision, start, second, end], 'EFFECT-ONCE', [shared, second]);
    expectClean([...story, decision, start, { ...second, changed: false }, end]);
  });
  test('one key with two bodies', () => {
    const second = { ...retry, bodyDigest: 'b9' };
    expectOne([...story, decision, start, second, end], 'EFFECT-ONCE', [shared, second]);
  });
  test('a revocation sent again by rule takes effect again only if something was put back', () => {
    const again: PartnerRequest = { ...revoked, at: 2100, effectAt: 2101, attempt: 'a4' };
    expectClean([...story, { ...again, changed: false }]);
    expectOne([...story, again], 'EFFECT-ONCE', [revoked, again]);
  });
});

describe('ACK-TRUTH', () => {
  const withoutClaims = (events: readonly HistoryEvent[]): HistoryEvent[] =>
    events.filter(({ kind }) => kind !== 'tracker.row');

  test('accepted although the partner refused', () => {
    const { effectAt: _none, ...refusal } = { ...revoked, outcome: 'error' as const, changed: false };
    const events = changed([revoked], [refusal]);
    expectOne(events, 'ACK-TRUTH', [withdrawn, refusal, first]);
    expectClean(withoutClaims(events));
  });
  test('accepted although the answer was lost on the way', () => {
    const lost = { ...revoked, answered: false };
    expectOne(changed([revoked], [lost]), 'ACK-TRUTH', [withdrawn, lost, first]);
  });
  test('accepted before the partner had accepted', () => {
    expectClean(
      changed(
        [first, last],
        [
          { ...first, settledAt: revoked.at },
          { ...last, settledAt: revoked.at },
        ],
      ),
    );
    const early = { ...first, settledAt: revoked.at - 1 };
    expectOne(changed([first], [early]), 'ACK-TRUTH', [withdrawn, early]);
  });
  test('confirmed means that it took effect', () => {
    const rows = [first, last].map((row): TrackerRow => ({ ...row, status: 'confirmed', settledAt: 2056 }));
    expectClean(changed([first, last], rows));
    const early = rows.map((row) => ({ ...row, settledAt: 2055 }));
    expectOne(changed([first, last], early), 'ACK-TRUTH', [withdrawn, revoked, early[0] as TrackerRow]);
  });
  test('accepted on the answer to an older version', () => {
    const older = { ...revoked, version: 1 };
    expectOne(changed([revoked], [older]), 'ACK-TRUTH', [withdrawn, older, first]);
  });

  // A gate elsewhere whose share began before the withdrawal reached it; nobody waited for gates.
  const waitless = changed(
    [withdrawal, confirmation, first, last],
    [{ ...withdrawal, wait: 'none' }, ...[first, last].map(({ gateClosedAt: _none, ...row }) => row)],
  );
  const { gateClosedAt: _closed, ...claim } = first;
  const sendOf = (from: number, to: number): [EgressStart, HistoryEvent] => [
    { ...share, at: from, attempt: 'web', process: 'web-7' },
    { ...callEnd, at: to, attempt: 'web' },
  ];

  test('a call begun while a send it concerns was under way settles nothing', () => {
    expectClean([...waitless, ...sendOf(2045, 2050)]);
    const late = sendOf(2045, 2051);
    expectOne([...waitless, ...late], 'ACK-TRUTH', [late[0], revoked, claim]);
  });
  test('nothing that was called revoked is sent afterwards', () => {
    const after = sendOf(2200, 2210);
    expectOne([...waitless, ...after], 'ACK-TRUTH', [revoked, after[0], claim]);
  });
  test('a share that took effect after the revocation', () => {
    const late = { ...shared, effectAt: 2070 };
    expectOne(changed([shared], [late]), 'ACK-TRUTH', [late, withdrawn, first]);
  });

  test.each(['never-shared', 'nothing-to-do'] as const)('%s although the partner holds it', (status) => {
    const events = story.filter((event) => !('attempt' in event && event.attempt === 'a2'));
    const rows: TrackerRow[] = [first, last].map((row) => ({ ...row, status }));
    const told = [...withoutClaims(events), ...rows];
    expectOne(told, 'ACK-TRUTH', [shared, withdrawn, rows[0] as TrackerRow]);
    expectClean(told.filter((event) => event !== shared));
  });
  test('superseded by nothing', () => {
    const rows = [first, last].map((row) => ({ ...row, status: 'superseded' as const }));
    expectOne(changed([first, last], rows), 'ACK-TRUTH', [withdrawn, rows[0] as TrackerRow]);
  });
  test('a gate called closed before a share it forbids', () => {
    const events = changed([withdrawal, confirmation, first, last], [{ ...withdrawal, wait: 'none' }]);
    const rows = [first, last].map((row) => ({ ...row, gateClosedAt: 2016 }));
    expectClean([...events, ...rows, ...sendOf(2016, 2020)]);
    const late = sendOf(2017, 2020);
    expectOne([...events, ...rows, ...late], 'ACK-TRUTH', [withdrawn, late[0], rows[0] as TrackerRow]);
  });
});

describe('ACK-COMPLETE', () => {
  const waiting = (row: TrackerRow, more: Partial<TrackerRow> = {}): TrackerRow => {
    const { settledAt: _none, ...open } = row;
    return { ...open, status: 'waiting', ...more };
  };

  test('still waiting at rest', () => {
    const open = [waiting(first), waiting(last)];
    expectOne(changed([first, last], open), 'ACK-COMPLETE', [withdrawn, open[1] as TrackerRow]);
  });
  test('not tracked at all', () => {
    const other = retold(withdrawn, { recipients: ['ads', 'crm'] });
    expectOne(other, 'ACK-COMPLETE', [{ ...withdrawn, recipients: ['ads', 'crm'] }]);
  });
  test('parked needs a reason and an open alert', () => {
    const parked = waiting(last, { status: 'parked', reason: 'missing-identifier' });
    const alert: HistoryEvent = { kind: 'ops.alert', at: 3000, name: 'parked', recipient: 'ads' };
    expectClean(changed([first, last], [parked, alert]));
    expectOne(changed([first, last], [parked]), 'ACK-COMPLETE', [withdrawn, parked]);
    expectOne(changed([first, last], [parked, { ...alert, to: parked.at - 1 }]), 'ACK-COMPLETE', [withdrawn, parked]);
    const { reason: _none, ...silent } = parked;
    expectOne(changed([first, last], [silent, alert]), 'ACK-COMPLETE', [withdrawn, silent]);
  });
  test('settled too late, unless a fault stood in the way', () => {
    const limit = withdrawn.at + exact.settleWithinMs;
    const rows = (when: number): TrackerRow[] => [first, last].map((row) => ({ ...row, settledAt: when }));
    expectClean(changed([first, last], rows(limit)));
    const late = rows(limit + 1);
    expectOne(changed([first, last], late), 'ACK-COMPLETE', [withdrawn, late[0] as TrackerRow]);
    const down: Nemesis = {
      kind: 'nemesis',
      at: 1900,
      to: 8000,
      fault: 'F8',
      what: 'partner',
      target: 'recipient:ads',
    };
    expectClean(changed([first, last], [...late, down]));
  });
  test('a row that went back', () => {
    const back = waiting(last);
    expectOne(changed([last], [back]), 'ACK-COMPLETE', [first, back]);
    const { gateClosedAt: _open, ...reopened } = last;
    expectOne(changed([last], [reopened]), 'ACK-COMPLETE', [first, reopened]);
  });
  test('a row that disappeared', () => {
    const another: HistoryEvent = { ...last, version: 1, status: 'waiting' };
    expectOne(changed([last], [another]), 'ACK-COMPLETE', [first]);
  });
});

describe('ISOLATION', () => {
  const trouble: Nemesis = {
    kind: 'nemesis',
    at: 50_000,
    to: 90_000,
    fault: 'F8',
    what: 'partner',
    target: 'recipient:crm',
  };
  const withdrawals = (from: number, tookMs: number, recipient = 'ads'): HistoryEvent[] =>
    Array.from({ length: 100 }, (_, n): HistoryEvent[] => {
      const subject = { controller: who.controller, subject: `k1.${from}-${n}` };
      const began = from + n * 10;
      return [
        { kind: 'db.change', at: began, ...subject, version: 1, direction: 'deny', after: {}, recipients: [recipient] },
        { kind: 'tracker.row', at: began + tookMs, ...subject, recipient, version: 1, status: 'never-shared' },
      ];
    }).flat();

  test('others may take a fifth longer, and no more', () => {
    const quiet = withdrawals(1000, 100);
    expectClean([...quiet, trouble, ...withdrawals(60_000, 125)]);
    const slow = withdrawals(60_000, 126);
    expectOne([...quiet, trouble, ...slow], 'ISOLATION', [trouble, ...slow.slice(2 * 98, 2 * 99)]);
  });
  test('the troubled recipient itself is not judged', () => {
    expectClean([...withdrawals(1000, 100), trouble, ...withdrawals(60_000, 900, 'crm')]);
  });
});

test('a grant is nothing the tracker must settle', () => {
  expectClean(retold(granted, { recipients: ['ads', 'crm'] }));
  expectClean(retold(share, { version: 1 }));
});
