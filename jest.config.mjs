// One configuration, five projects: unit needs nothing, integration needs Postgres and Kafka, e2e runs the built services,
// interop needs system programs (a browser, promtool) and says which, sim simulates them under virtual time (by hand: it takes minutes).
import { readFileSync } from 'node:fs';

// Under Jest the sources run as they are: `.ts` specifiers must not become `.js`.
const swc = JSON.parse(readFileSync(new URL('.swcrc', import.meta.url), 'utf8'));
delete swc.$schema;
swc.jsc.rewriteRelativeImportExtensions = false;

const base = {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { ...swc, swcrc: false }] },
  modulePathIgnorePatterns: ['/dist/'],
};
const infrastructure = {
  globalSetup: '<rootDir>/test/support/src/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/src/global-teardown.ts',
  setupFilesAfterEnv: ['<rootDir>/test/support/src/patience.ts'],
};

export default {
  maxWorkers: 2,
  testSequencer: '<rootDir>/tools/longest-first.mjs',
  projects: [
    { ...base, displayName: 'unit', testRegex: '(?<!\\.(it|e2e)-)(?<=\\.)spec\\.ts$' },
    { ...base, ...infrastructure, displayName: 'integration', testRegex: '\\.it-spec\\.ts$' },
    { ...base, ...infrastructure, displayName: 'e2e', testRegex: '\\.e2e-spec\\.ts$' },
    { ...base, ...infrastructure, displayName: 'interop', testRegex: '\\.interop-spec\\.ts$' },
    { ...base, displayName: 'sim', testRegex: '\\.sim-spec\\.ts$' },
  ],
};
