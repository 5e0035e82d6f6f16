import { readFileSync } from 'node:fs';
import { openApiFaults } from '@entente/http/testing';
import { expect, test } from '@jest/globals';
import { openApiText } from './openapi.ts';

const committed = readFileSync(new URL('../openapi.json', import.meta.url), 'utf8');

test('H-8 services/consent/openapi.json is what the routes say', async () => {
  // To renew it: node tools/build.mjs && node services/consent/dist/openapi.js > services/consent/openapi.json
  expect(await openApiText()).toBe(committed);
});

/** What anybody may read: public keys, public notes, and what the GPC specification puts at that address. */
const open = new Set([
  'GET /.well-known/gpc.json',
  'GET /.well-known/jwks.json',
  'GET /v1/ledger/checkpoint',
  'GET /v1/ledger/key',
]);

test('H-8 the description keeps the rules of a linter', () => {
  expect(openApiFaults(committed, open)).toEqual([]);
});
