import { GppModel, HeaderV1 } from '@iabgpp/cmpapi';
import { describe, expect, test } from '@jest/globals';
import { catalogueOfSignals as catalogue, gppVector, tcVector } from '../testing/signal-samples.ts';
import { decodeGppString } from './gpp-string.ts';
import { readGpp } from './gpp.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const read = (raw: string) => {
  const reading = readGpp(raw, catalogue, now);
  if (reading.kind !== 'read') throw new Error(reading.detail);
  return reading;
};
const saysOf = (raw: string) => Object.fromEntries(read(raw).statements.map(({ purpose, says }) => [purpose, says]));
const section = (name: string, fields: Record<string, unknown>) => {
  const model = new GppModel();
  for (const [field, value] of Object.entries({ MspaCoveredTransaction: 2, ...fields }))
    model.setFieldValue(name, field, value);
  return model.encode();
};
/** Everything opened: notices given, nothing opted out. */
const open = {
  ...{ SaleOptOut: 2, SharingOptOut: 2, TargetedAdvertisingOptOut: 2, PersonalDataConsents: 2 },
  ...{ SaleOptOutNotice: 1, SharingOptOutNotice: 1, TargetedAdvertisingOptOutNotice: 1, SharingNotice: 1 },
};

describe('decoding', () => {
  test('Q-1 Q-3 the test vector of the standard', () => {
    expect(decodeGppString(gppVector)).toMatchObject({
      kind: 'decoded',
      sections: [
        {
          ...{ id: 7, name: 'usnat', encoded: 'CAAVAAAAAABA.YA' },
          fields: { SaleOptOut: 1, SharingOptOut: 1, TargetedAdvertisingOptOut: 1, Gpc: true },
        },
      ],
    });
  });

  test('Q-2 the vector of two sections: ids 5 and 6, each with its own text', () => {
    expect(decodeGppString('DBABjw~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN')).toMatchObject({
      sections: [{ id: 5 }, { id: 6, name: 'uspv1', encoded: '1YNN', fields: { OptOutSale: 'N' } }],
    });
  });

  test.each([
    ['', 'is empty'],
    ['garbage', 'is not a GPP header'],
    [tcVector, 'send it as kind tcf'],
    ['DBABLA', 'names 1 sections in its header and has 0'],
    [`${gppVector}~BAQAAABA.QA`, 'names 1 sections in its header and has 2'],
    ['DBABLA~CA', 'section 7 (usnat) that cannot be decoded'],
    ['DBABLA~!!!', 'is not a GPP header'],
    ['DCABLA~CAAVAAAAAABA.YA', 'is not a GPP header of version 1'],
    ['D'.repeat(40_000), 'is longer'],
  ])('a malformed string %p is told what is wrong', (raw, detail) => {
    expect(readGpp(raw, catalogue, now)).toEqual({ kind: 'unreadable', detail: expect.stringContaining(detail) });
  });
});

describe('what US sections say', () => {
  test('Q-4 opt-outs deny what is mapped to them; an unmapped purpose of an ad partner too', () => {
    expect(saysOf(gppVector)).toEqual({
      ...{ ads: 'denies', measurement: 'denies', legacy: 'denies', analytics: 'nothing' },
    });
  });

  test('Q-4 that nobody opted out is no consent', () => {
    expect(new Set(Object.values(saysOf(section('usnat', open))))).toEqual(new Set(['nothing']));
    expect(read(section('usnat', open)).actedAt).toBeUndefined();
  });

  test.each([
    ['usnat', { ...open, SaleOptOut: 1 }, { ads: 'denies', measurement: 'nothing' }],
    ['usnat', { ...open, TargetedAdvertisingOptOut: 1 }, { ads: 'denies', measurement: 'denies' }],
    ['usnat', { ...open, PersonalDataConsents: 1 }, { analytics: 'denies', measurement: 'nothing' }],
    ['usnat', { ...open, SaleOptOut: 0, SaleOptOutNotice: 2 }, { ads: 'denies', measurement: 'nothing' }],
    ['usnat', { ...open, TargetedAdvertisingOptOutNotice: 2 }, { measurement: 'denies' }],
    ['usnat', { ...open, Gpc: true }, { ads: 'denies', measurement: 'denies', analytics: 'nothing' }],
    ['usca', { SaleOptOut: 1, SaleOptOutNotice: 1 }, { ads: 'denies' }],
    ['usva', { TargetedAdvertisingOptOut: 1 }, { measurement: 'denies' }],
    ['usmd', { SaleOptOut: 1, SaleOptOutNotice: 1 }, { ads: 'denies' }],
    ['ustx', { SaleOptOut: 1, SaleOptOutNotice: 1 }, { ads: 'denies' }],
    ['usri', { TargetedAdvertisingOptOut: 1, TargetedAdvertisingOptOutNotice: 1 }, { measurement: 'denies' }],
  ])('Q-3 Q-4 %s %j', (name, fields, expected) => {
    expect(saysOf(section(name, fields))).toMatchObject(expected);
  });

  test('the section of 2020 knows one opt-out', () => {
    expect(saysOf('DBABTA~1YYN')).toMatchObject({ ads: 'denies', legacy: 'denies' });
    expect(saysOf('DBABTA~1YNN')).toMatchObject({ ads: 'nothing' });
  });

  test('X-1 Q-2 a section of the future counts as an opt-out', () => {
    // Header of the sections 7 and 99.
    const reading = read('DBACLEDA~CAAVAAAAAABA.YA~BAAA');
    expect(reading.faults).toEqual([expect.stringContaining('section 99')]);
    expect(saysOf('DBACLEDA~CAAVAAAAAABA.YA~BAAA')).toMatchObject({ ads: 'denies' });
  });
});

describe('a TC string inside', () => {
  test('is read by the rules of TCF, and the most restrictive section counts', () => {
    const header = new HeaderV1();
    header.setFieldValue('SectionIds', [2, 7]);
    const both = `${header.encode()}~${tcVector}~${gppVector.split('~')[1]}`;
    expect(decodeGppString(both)).toMatchObject({ sections: [{ id: 2 }, { id: 7 }] });
    expect(saysOf(both)).toMatchObject({ ads: 'denies', analytics: 'denies', legacy: 'denies' });
  });

  test('one that cannot be decoded makes the whole unreadable', () => {
    expect(readGpp('DBABMA~CQ', catalogue, now)).toMatchObject({
      kind: 'unreadable',
      detail: expect.stringContaining('section 2'),
    });
  });
});
