import { Refusal } from '@entente/http';
import { describe, expect, test } from '@jest/globals';
import { cursorPart, placeFrom } from './cursor.ts';
import { sealedCursors } from './cursors.ts';

const key = ['2026-11-22 10:00:00.123456+00', 'k1.AAAAAAAAAAAAAAAAAAAAAA', 7, 'hubspot-crm'];
const parts = [cursorPart.time, cursorPart.subject, cursorPart.number, cursorPart.name];
const cursors = sealedCursors('secret');
const own = cursors('stuck', 'acme');
const place = (cursor: string, of = own) => placeFrom(cursor, of, parts);

describe('a cursor', () => {
  test('leads back to its place, for every instance that has the secret', () => {
    expect(place(own.seal(key))).toEqual(key.map(String));
    expect(place(own.seal(key), sealedCursors('secret')('stuck', 'acme'))).toEqual(key.map(String));
  });

  test('shows nobody whom it stands at, and is another each time', () => {
    const cursor = own.seal(key);
    for (const encoding of ['latin1', 'base64url', 'hex'] as const)
      expect(Buffer.from(cursor, 'base64url').toString(encoding)).not.toContain('AAAAAAAAAAAAAAAAAAAAAA');
    expect(own.seal(key)).not.toBe(cursor);
  });

  test('of another list, controller or secret is none of ours', () => {
    const foreign = [cursors('leaks', 'acme'), cursors('stuck', 'globex'), sealedCursors('other')('stuck', 'acme')];
    for (const other of foreign) expect(() => place(other.seal(key))).toThrow(Refusal);
  });

  test('bent in any of its bytes, cut short or made up is none of ours', () => {
    const sealed = Buffer.from(own.seal(key), 'base64url');
    const bent = Array.from(sealed, (byte, at) => {
      const copy = Buffer.from(sealed);
      copy[at] = byte ^ 1;
      return copy;
    });
    const cut = Array.from(sealed, (_, length) => sealed.subarray(0, length));
    for (const bytes of [...bent, ...cut]) expect(() => place(bytes.toString('base64url'))).toThrow(Refusal);
    const plain = Buffer.from(JSON.stringify(key)).toString('base64url');
    for (const made of [plain, '…', 'a'.repeat(100_000)]) expect(() => place(made)).toThrow(Refusal);
  });

  test('whose parts this list does not sort by is refused all the same', () => {
    expect(() => place(own.seal(['no time', ...key.slice(1)]))).toThrow(Refusal);
    expect(() => place(own.seal(key.slice(1)))).toThrow(Refusal);
  });
});
