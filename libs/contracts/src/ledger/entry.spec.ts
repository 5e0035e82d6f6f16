import { expect, test } from '@jest/globals';
import { commitmentTo, saltBytes } from './entry.ts';

test('J-4 what is hashed is the text as it stands: the same JSON written otherwise is another commitment', () => {
  const salt = Buffer.alloc(saltBytes, 7);
  const commitment = (text: string) => commitmentTo({ text: Buffer.from(text), salt })?.toString('hex');
  const stored = '{"version":1,"since":"é"}';
  expect(commitment(stored)).toBe(commitment(stored));
  const alike = ['{"since":"é","version":1}', '{"version": 1,"since":"é"}', '{"version":1,"since":"\\u00e9"}'];
  for (const text of [...alike, '{"version":1.0,"since":"é"}', '{"version":1,"since":"e\u0301"}'])
    expect(commitment(text)).not.toBe(commitment(stored));
});
