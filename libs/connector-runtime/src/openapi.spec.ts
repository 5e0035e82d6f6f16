import { readFileSync } from 'node:fs';
import { openApiFaults } from '@entente/http/testing';
import { expect, test } from '@jest/globals';
import { openApiText } from './openapi.ts';

const committed = readFileSync(new URL('../openapi.json', import.meta.url), 'utf8');

test('H-8 libs/connector-runtime/openapi.json is what the routes say', async () => {
  // To renew it: node tools/build.mjs && node libs/connector-runtime/dist/openapi.js > libs/connector-runtime/openapi.json
  expect(await openApiText()).toBe(committed);
});

test('H-8 the description keeps the rules of a linter', () => {
  expect(openApiFaults(committed)).toEqual([]);
});
