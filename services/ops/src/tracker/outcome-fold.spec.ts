import { describe, expect, test } from '@jest/globals';
import { controllerId, recipientId, subjectKey, type EnforcementRecorded } from '@entente/contracts';
import { standingRecord, withOutcome, type PropagationRow, type StandingRecord } from './outcome-fold.ts';

const at = (second: number): string => `2026-05-05T10:00:${String(second).padStart(2, '0')}.000Z`;
const said = (
  version: number,
  outcome: EnforcementRecorded['outcome'],
  second: number,
  more: Partial<EnforcementRecorded> = {},
): EnforcementRecorded => ({
  controller: controllerId('acme'),
  subjectKey: subjectKey('k1.aaaaaaaaaaaaaaaaaaaaaa'),
  recipient: recipientId('meta-ads'),
  ...{ version, direction: 'deny', outcome, attempts: 2, at: at(second), consumedAt: at(1), clockErrorMs: 0.5 },
  ...more,
});
const open = (version = 3): PropagationRow => ({
  ...{ controller: 'acme', subject_key: 'k1.aaaaaaaaaaaaaaaaaaaaaa', recipient: 'meta-ads', version, canary: false },
  ...{ committed_at: '2026-05-05T10:00:00.000000+00:00', state: 'waiting', outcome: null, reason: null, attempts: 0 },
  ...{ consumed_at: null, accepted_at: null, confirmed_at: null, settled_at: null, contradicted_at: null },
  ...{ visible_at: null, error_ms: 0 },
});
/** All of it, in order, as the tracker does with a batch. */
const after = (row: PropagationRow, outcomes: readonly StandingRecord[]): PropagationRow =>
  outcomes.reduce((now, outcome) => withOutcome(now, outcome)?.row ?? now, row);

describe('what stands of one recipient and person', () => {
  test('the newer version, whenever it is heard', () => {
    const [older, newer] = [said(2, 'accepted', 9), said(3, 'waiting', 4)];
    expect(standingRecord(older, newer)).toBe(newer);
    expect(standingRecord(newer, older)).toBe(newer);
  });

  test('of one version what was said last; a copy heard late changes nothing', () => {
    const [waiting, accepted] = [said(3, 'waiting', 4), said(3, 'accepted', 6)];
    expect(standingRecord(waiting, accepted)).toBe(accepted);
    expect(standingRecord(accepted, waiting)).toBe(accepted);
    expect(standingRecord(undefined, waiting)).toBe(waiting);
    const again = said(3, 'parked', 6);
    expect(standingRecord(accepted, again)).toBe(again);
  });

  test('only a confirmation behind an acceptance has the acceptance’s time', () => {
    expect(standingRecord(said(3, 'waiting', 4), said(3, 'confirmed', 8))).not.toHaveProperty('acceptedAt');
    expect(standingRecord(said(3, 'accepted', 4), said(3, 'waiting', 8))).not.toHaveProperty('acceptedAt');
  });

  test('a confirmation keeps the time of the acceptance, through a second confirmation too', () => {
    const once = standingRecord(said(3, 'accepted', 6), said(3, 'confirmed', 8));
    expect(once).toMatchObject({ outcome: 'confirmed', at: at(8), acceptedAt: at(6) });
    expect(standingRecord(once, said(3, 'confirmed', 9))).toMatchObject({ at: at(9), acceptedAt: at(6) });
  });
});

describe('TRK-1: outcomes of one batch onto one row', () => {
  test('waiting, accepted, confirmed: each time is kept, and the confirmation does not count as an attempt', () => {
    const row = after(open(), [
      said(3, 'waiting', 2, { reason: 'timeout', attempts: 1 }),
      said(3, 'accepted', 4),
      said(3, 'confirmed', 7, { attempts: 5, clockErrorMs: 2 }),
    ]);
    expect(row).toMatchObject({ state: 'confirmed', outcome: 'confirmed', reason: null, attempts: 2, error_ms: 2 });
    expect([row.consumed_at, row.accepted_at, row.settled_at, row.confirmed_at]).toEqual([at(1), at(4), at(4), at(7)]);
  });

  test('an older change is superseded, and what is said of it afterwards changes nothing', () => {
    const row = after(open(2), [said(3, 'accepted', 4), said(3, 'confirmed', 5)]);
    expect(row).toMatchObject({ state: 'superseded', outcome: 'superseded', attempts: 0, accepted_at: null });
    expect([row.settled_at, row.confirmed_at]).toEqual([at(4), null]);
  });

  test('a contradiction takes back the settlement and its being seen; the next acceptance begins both anew', () => {
    const seen = { ...after(open(), [said(3, 'accepted', 4)]), visible_at: at(5) };
    const back = after(seen, [said(3, 'waiting', 8, { reason: 'still-served' })]);
    expect(back).toMatchObject({ settled_at: null, accepted_at: null, visible_at: null, contradicted_at: at(8) });
    expect(after(back, [said(3, 'accepted', 9)])).toMatchObject({ settled_at: at(9), contradicted_at: at(8) });
  });

  test('what settles is measured once: the acceptance from the commit, the confirmation by itself', () => {
    const accepted = withOutcome(open(), said(3, 'accepted', 4))!;
    expect(accepted.settled).toMatchObject({ propagationMs: 4_000, acceptDelayMs: 3_000, confirmedMs: null });
    const confirmed = withOutcome(accepted.row, said(3, 'confirmed', 7))!;
    expect(confirmed.settled).toMatchObject({ propagationMs: null, acceptDelayMs: null, confirmedMs: 7_000 });
    expect(withOutcome(confirmed.row, said(3, 'confirmed', 9))).toBeNull();
  });

  test('what never says when it was read has no delay', () => {
    const { consumedAt: _unsaid, ...silent } = said(3, 'accepted', 4);
    expect(withOutcome(open(), silent)?.settled).toMatchObject({ propagationMs: 4_000, acceptDelayMs: null });
  });

  test('what was never shared was accepted by nobody', () => {
    expect(withOutcome(open(), said(3, 'never-shared', 4))?.settled).toMatchObject({
      ...{ state: 'never-shared', propagationMs: null, acceptDelayMs: null, confirmedMs: null },
    });
  });

  test('a grant that was carried out says nothing of a withdrawal', () => {
    expect(withOutcome(open(), said(3, 'accepted', 4, { direction: 'grant' }))).toBeNull();
  });
});
