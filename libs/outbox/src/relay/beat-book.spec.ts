import { controllerId, gateStartId, type GateBeat, type GateStartId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { BeatBook, beatsFor, toRegister } from './beat-book.ts';

const a = gateStartId('a'.repeat(12));
const b = gateStartId('b'.repeat(12));
const beat = (start: GateStartId, number: number): GateBeat => ({
  ...{ start, number, gate: 'crm-1', controller: controllerId('acme'), recipients: [] },
});
const noted = (...beats: GateBeat[]) => new Map(beats.map((each) => [each.start, each]));
const row = (lastSeenAgeMs: number) => ({ lastSeenAgeMs });

describe('the newest beat of each start (REL-4 step 1)', () => {
  test('an older beat never replaces a newer one', () => {
    const book = new BeatBook();
    book.heard(beat(a, 7), 0);
    book.heard(beat(a, 6), 1);
    expect(book.note(2).get(a)?.number).toBe(7);
  });

  test('what is heard after the note belongs to a later pass', () => {
    const book = new BeatBook();
    book.heard(beat(a, 1), 0);
    const note = book.note(0);
    book.heard(beat(a, 2), 1);
    expect(note.get(a)?.number).toBe(1);
  });

  test('GATE-6: a start that signed off does not come back with a late beat', () => {
    const book = new BeatBook();
    book.heard(beat(a, 1), 0);
    book.signedOff(a, 10);
    book.heard(beat(a, 2), 20);
    expect(book.note(30).size).toBe(0);
    expect(book.ended()).toEqual([a]);
  });

  test('a start not heard for a minute is forgotten', () => {
    const book = new BeatBook();
    book.heard(beat(a, 1), 0);
    expect(book.note(60_000).has(a)).toBe(true);
    expect(book.note(60_001).has(a)).toBe(false);
  });
});

describe('GATE-6: which rows are written', () => {
  test.each([
    { known: new Map(), written: [a] },
    { known: new Map([[a, row(10_000)]]), written: [] },
    { known: new Map([[a, row(10_001)]]), written: [a] },
  ])('$known', ({ known, written }) =>
    expect(toRegister(noted(beat(a, 1)), known).map(({ start }) => start)).toEqual(written),
  );
});

describe('REL-4 step 5: which beats return', () => {
  test.each([
    { what: 'registered and new', registered: new Map([[a, row(0)]]), acked: new Map(), returned: [[a, 5]] },
    { what: 'not registered', registered: new Map([[b, row(0)]]), acked: new Map(), returned: [] },
    { what: 'returned before', registered: new Map([[a, row(0)]]), acked: new Map([[a, 5]]), returned: [] },
    { what: 'newer than returned', registered: new Map([[a, row(0)]]), acked: new Map([[a, 4]]), returned: [[a, 5]] },
  ])('$what', ({ registered, acked, returned }) =>
    expect(beatsFor(noted(beat(a, 5)), registered, acked)).toEqual(returned),
  );
});
