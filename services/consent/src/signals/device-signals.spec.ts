import { describe, expect, test } from '@jest/globals';
import { catalogueOfSignals as catalogue } from '../testing/signal-samples.ts';
import { readAtt } from './att.ts';
import { readGpc } from './gpc.ts';
import type { Reading } from './statement.ts';

const saysOf = (reading: Reading) =>
  reading.kind === 'unreadable'
    ? reading.detail
    : Object.fromEntries(reading.statements.map((s) => [s.purpose, s.says]));

describe('Global Privacy Control', () => {
  test.each(['1', ' 1, 1', '1,1', '0, 1', '1 '])('P-1 %p is the signal', (value) => {
    expect(saysOf(readGpc(value, catalogue))).toEqual({ ads: 'denies', measurement: 'denies', legacy: 'denies' });
  });

  test.each(['', '0', 'true', '11', '1;q=1', '"1"', '?1', '01', '1.0'])('P-1 P-2 %p says nothing', (value) => {
    expect(saysOf(readGpc(value, catalogue))).toEqual({});
  });
});

describe('Apple App Tracking Transparency', () => {
  test.each(['0', '1', '2', 'notDetermined', 'restricted', 'denied'])('A-1 %s denies tracking', (raw) => {
    expect(saysOf(readAtt(raw, catalogue))).toEqual({ ads: 'denies', legacy: 'denies' });
  });

  test.each(['3', 'authorized'])('A-1 %s grants nothing', (raw) => {
    expect(saysOf(readAtt(raw, catalogue))).toEqual({ ads: 'nothing', legacy: 'nothing' });
  });

  test('A-1 X-1 a status of the future denies', () => {
    expect(saysOf(readAtt('4', catalogue))).toEqual({ ads: 'denies', legacy: 'denies' });
  });

  test.each(['', 'yes', 'AUTHORIZED', '-1', '3.0'])('%p is no status', (raw) => {
    expect(readAtt(raw, catalogue)).toMatchObject({
      kind: 'unreadable',
      detail: expect.stringContaining('not an ATT'),
    });
  });
});
