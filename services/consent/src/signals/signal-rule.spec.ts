import { catalogueOf, decisions, documentOf, noticeRef, purposeId } from '@entente/contracts';
import type { Catalogue, CatalogueDocument, Decision } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { catalogueOfSignals, ids, privacy1, tcString } from '../testing/signal-samples.ts';
import { granting, takenAway } from './signal-rule.ts';
import type { GrantSurroundings, Standing } from './signal-rule.ts';
import { mostRestrictive } from './statement.ts';
import type { ReadSignal, Statement } from './statement.ts';
import { readTcf } from './tcf.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const all = { purposes: [1, 2, 3, 4, 7, 8, 9, 10], legitimateInterests: [2], vendors: [100] };
const read = (raw: string, catalogue: Catalogue = catalogueOfSignals): ReadSignal => {
  const reading = readTcf(raw, catalogue, now);
  if (reading.kind !== 'read') throw new Error(reading.detail);
  return reading;
};
const surroundings = (more: Partial<GrantSurroundings> = {}): GrantSurroundings => ({
  ...{ catalogue: catalogueOfSignals, notice: privacy1, mayGrant: true, standing: new Map(), now },
  ...more,
});
const judged = (raw: string, more: Partial<GrantSurroundings> = {}) =>
  granting(read(raw, more.catalogue), surroundings(more));
const granted = (raw: string, more: Partial<GrantSurroundings> = {}) =>
  judged(raw, more).items.map(({ purpose }) => purpose);
const heldBack = (raw: string, more: Partial<GrantSurroundings> = {}) => Object.fromEntries(judged(raw, more).heldBack);

describe('SIG-1 what denies', () => {
  test('is asked for whatever else the signal says, from a valid string and an invalid one', () => {
    for (const disclosed of [[100], null])
      expect(takenAway(read(tcString({ purposes: [8, 9], disclosed })), catalogueOfSignals).deny).toEqual({
        purposes: ['ads', 'measurement', 'profiling', 'health', 'games'].map(purposeId),
        to: 'denied',
        // Art. 21 GDPR: it rests on a legitimate interest.
        objected: [purposeId('profiling')],
      });
  });
});

describe('SIG-2 what may grant', () => {
  test('a choice in a TC string, for consent alone', () => {
    expect(granted(tcString(all)).sort()).toEqual(['ads', 'analytics', 'measurement']);
    expect(heldBack(tcString(all))).toEqual({
      profiling: 'not-a-consent',
      health: 'needs-explicit-statement',
      games: 'needs-age',
    });
  });

  test('G-10 a special category and an age limit are granted by no signal', () => {
    expect(heldBack(tcString(all))).toMatchObject({ health: 'needs-explicit-statement', games: 'needs-age' });
  });

  test('Q-4 an opt-out not exercised is no consent', () => {
    const open: Statement = { purpose: ids.ads, says: 'nothing', because: 'usnat:SaleOptOut' };
    const signal: ReadSignal = { kind: 'read', statements: [open], faults: [], actedAt: '2026-11-20T00:00:00.000Z' };
    expect(granting(signal, surroundings())).toEqual({ items: [], heldBack: new Map() });
  });

  test.each([
    ['with an unknown notice', { notice: noticeRef('privacy', 9) }, 'notice-unknown'],
    ['without the scope', { mayGrant: false }, 'insufficient-scope'],
  ] as const)('never %s', (_what, more, reason) => {
    expect(heldBack(tcString(all), more)['ads']).toBe(reason);
  });

  test('never without a notice', () => {
    const { notice: _notice, ...without } = surroundings();
    expect(granting(read(tcString(all)), without).heldBack.get(ids.ads)).toBe('notice-required');
  });

  test('never under a notice that does not name the purpose, or that a material one has outdated', () => {
    const document = documentOf(catalogueOfSignals);
    const [notice] = document.notices as [CatalogueDocument['notices'][number]];
    const newer = (more: object) => catalogueOf({ ...document, notices: [notice, { ...notice, version: 2, ...more }] });
    expect(heldBack(tcString(all), { catalogue: newer({ material: true }) })['ads']).toBe('notice-outdated');
    const second = { catalogue: newer({ purposes: {} }), notice: noticeRef('privacy', 2) };
    expect(heldBack(tcString(all), second)['ads']).toBe('notice-does-not-name-it');
  });

  test('G-6 ends 13 months after the act, or with the purpose’s own validity', () => {
    const ends = judged(tcString({ ...all, updated: '2026-11-20' })).items.map(({ purpose, validUntil }) => [
      purpose,
      validUntil,
    ]);
    expect(Object.fromEntries(ends)).toMatchObject({
      ads: '2027-12-20T00:00:00.000Z',
      analytics: '2027-05-19T00:00:00.000Z',
    });
    expect(heldBack(tcString({ ...all, updated: '2026-02-01' }))['analytics']).toBe('too-old');
    expect(granted(tcString({ ...all, updated: '2025-10-01' }))).toEqual([]);
  });

  const held = (decision: Decision, since: string, more: Partial<Standing> = {}) => ({
    standing: new Map([[ids.ads, { decision, since, refused: [], ...more }]]),
  });

  test.each(decisions.filter((decision) => decision !== 'granted'))(
    'what stands %s stays so, however much newer the string is',
    (decision) => {
      expect(heldBack(tcString(all), held(decision, '2020-01-01T00:00:00Z'))['ads']).toBe('standing-refusal');
    },
  );

  test('T-6 a grant is renewed by an act of a later day, and by none of the same one', () => {
    expect(granted(tcString(all), held('granted', '2026-11-19T23:59:59Z'))).toContain('ads');
    for (const since of ['2026-11-20T00:00:00Z', '2026-11-21T09:00:00Z'])
      expect(heldBack(tcString(all), held('granted', since))['ads']).toBe('granted-since');
  });

  test('a renewal gives back no recipient the person has refused', () => {
    const refused = held('granted', '2026-01-01T00:00:00Z', { refused: [ids.vendor100] });
    expect(judged(tcString(all), refused).items).toContainEqual(
      expect.objectContaining({ purpose: 'ads', refused: ['vendor-100', 'vendor-404'] }),
    );
  });
});

describe('SIG-3 recipients by name', () => {
  test('a vendor without consent is taken away from what stands, and never part of what is granted', () => {
    expect(takenAway(read(tcString(all)), catalogueOfSignals).narrowed).toEqual([
      { index: 0, purpose: 'ads', refused: ['vendor-404'] },
    ]);
    expect(judged(tcString(all)).items).toContainEqual(
      expect.objectContaining({ purpose: 'ads', refused: ['vendor-404'] }),
    );
  });
});

describe('SIG-4 the most restrictive statement counts', () => {
  const said = fc.record({
    purpose: fc.constantFrom('a', 'b', 'c').map(purposeId),
    says: fc.constantFrom('denies', 'allows', 'nothing'),
    because: fc.constant('x'),
  });
  test('whatever the order in which they are made', () => {
    fc.assert(
      fc.property(fc.array(said), (statements) => {
        for (const { purpose, says } of mostRestrictive(statements)) {
          const about = statements.filter((one) => one.purpose === purpose).map((one) => one.says);
          const expected = ['denies', 'allows', 'nothing'].find((one) => about.some((said) => said === one));
          expect(says).toBe(expected);
        }
      }),
    );
  });
});
