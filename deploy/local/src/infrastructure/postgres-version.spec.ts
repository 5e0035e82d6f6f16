import { expect, test } from '@jest/globals';
import { postgresVersionFault } from './postgres-version.ts';

test.each([
  [170000, '17.0'],
  [180004, '18.4'],
])('server_version_num %i is new enough', (number, version) => {
  expect(postgresVersionFault(number, version)).toBeUndefined();
});

test.each([
  [150018, '15.18'],
  [160009, '16.9'],
  [90624, '9.6.24'],
  [Number.NaN, 'unreadable'],
])('server_version_num %d is refused, with what to do', (number, version) => {
  expect(postgresVersionFault(number, version)).toMatch(
    new RegExp(`^DATABASE_URL is PostgreSQL ${version.replaceAll('.', '\\.')}, and 17 or newer is needed`),
  );
});
