import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { openApiText } from './openapi.ts';

test('H-8 services/consent/openapi.json is what the routes say', async () => {
  // To renew it: node tools/build.mjs && node services/consent/dist/openapi.js > services/consent/openapi.json
  expect(await openApiText()).toBe(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8'));
});
