import { subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { HeardDenials } from './heard-denials.ts';

const key = subjectKey(`k1.${'a'.repeat(22)}`);
const change = (version: number, direction: 'deny' | 'grant' = 'deny') => ({ subjectKey: key, version, direction });

describe('REC-6: the second copy of a denial', () => {
  test.each([
    { what: 'the same version', version: 3, known: true },
    { what: 'an older one', version: 2, known: true },
    { what: 'a newer one', version: 4, known: false },
  ])('$what', ({ version, known }) => {
    const heard = new HeardDenials(() => 0);
    heard.add([change(3)]);
    expect(heard.has(change(version))).toBe(known);
  });

  test('an older one stored later takes nothing back', () => {
    const heard = new HeardDenials(() => 0);
    heard.add([change(3), change(2)]);
    expect(heard.has(change(3))).toBe(true);
  });

  test('a grant is not remembered: its log is the only one it comes on', () => {
    const heard = new HeardDenials(() => 0);
    heard.add([change(3, 'grant')]);
    expect(heard.has(change(3, 'grant'))).toBe(false);
  });

  test('nor anything for longer than seconds', () => {
    let now = 0;
    const heard = new HeardDenials(() => now);
    heard.add([change(3)]);
    now = 5_000;
    expect(heard.has(change(3))).toBe(false);
  });

  test('nor of a database that may have lost it (RST-3)', () => {
    const heard = new HeardDenials(() => 0);
    heard.add([change(3)]);
    heard.forget();
    expect(heard.has(change(3))).toBe(false);
  });

  test('a transaction that fails takes everything that was known with it', async () => {
    const heard = new HeardDenials(() => 0);
    heard.add([change(3)]);
    await expect(heard.onlyIf(Promise.reject(new Error('the connection ended')))).rejects.toThrow('ended');
    expect(heard.has(change(3))).toBe(false);
    expect(await heard.onlyIf(Promise.resolve(7))).toBe(7);
  });
});
