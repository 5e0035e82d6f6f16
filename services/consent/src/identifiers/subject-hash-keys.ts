import type { SubjectHashKeys } from '@entente/contracts';

/** Parses `number:base64url[,number:base64url…]`. Throws with the position of the first bad key. */
export function parseSubjectHashKeys(text: string): SubjectHashKeys {
  const keys = new Map<number, Buffer>();
  for (const [index, entry] of text.split(',').entries()) {
    const [, number, encoded] = /^\s*([1-9]\d{0,2}):([A-Za-z0-9_-]+)\s*$/.exec(entry) ?? [];
    const key = Buffer.from(encoded ?? '', 'base64url');
    if (number === undefined || key.length < 32)
      throw new Error(`key ${index + 1} is not number:<32 bytes or more in base64url>`);
    if (keys.has(Number(number))) throw new Error(`key ${index + 1} has the number of an earlier one`);
    keys.set(Number(number), key);
  }
  return keys;
}
