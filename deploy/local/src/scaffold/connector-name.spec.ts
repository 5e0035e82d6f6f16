import { describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryFile } from '../stack/paths.ts';
import { connectorName } from './connector-name.ts';
import { CannotScaffold, newConnector } from './new-connector.ts';
import { registrations } from './registrations.ts';

describe('the name of a new partner', () => {
  test('is spelled as each place needs it', () => {
    expect(connectorName('acme-crm2')).toEqual({ kebab: 'acme-crm2', camel: 'acmeCrm2', pascal: 'AcmeCrm2' });
  });

  test.each([
    ['', 'is no name'],
    ['Acme', 'is no name'],
    ['acme_crm', 'is no name'],
    ['acme--crm', 'is no name'],
    ['-acme', 'is no name'],
    ['acme-', 'is no name'],
    ['2acme', 'is no name'],
    ['acme-2', 'is no name'],
    ['../acme', 'is no name'],
    ['acme crm', 'is no name'],
    ['ac\u006d\u0065\u0301', 'is no name'],
    ['a'.repeat(41), 'is longer than 40'],
    ['delete', 'means something else'],
    ['index', 'means something else'],
    ['serve', 'means something else'],
  ])('%p %s', (given, fault) => {
    expect(connectorName(given)).toEqual({ fault: expect.stringContaining(fault) });
  });
});

describe('nothing is written', () => {
  const root = repositoryFile('');
  test.each([
    ['hubspot', 'crm', 'services/crm-connector/src/partners/hubspot exists already'],
    ['hubspot', 'analytics', 'test/partners/src/hubspot exists already'],
    ['No', 'crm', '"No" is no name for a partner'],
  ] as const)('for %s as %s: %s', async (name, kind, fault) => {
    const refused = newConnector({ root, name, kind });
    await expect(refused).rejects.toThrow(fault);
    await expect(refused).rejects.toBeInstanceOf(CannotScaffold);
  });

  test('where the repository is none', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'no-repository-'));
    await expect(newConnector({ root: empty, name: 'acme', kind: 'crm' })).rejects.toThrow('ENOENT');
    rmSync(empty, { recursive: true });
  });
});

test('a list that no longer looks as it did says so', () => {
  const name = { kebab: 'acme', camel: 'acme', pascal: 'Acme' };
  const [service, names, start] = registrations('crm-connector', name);
  expect(service?.edit("export { b } from './b.ts';\n")).toBe(
    "export { b } from './b.ts';\nexport { acme } from './acme/definition.ts';\n",
  );
  expect(names?.edit("export const partnerNames = [\n  'b',\n];")).toContain("[\n  'acme',\n  'b',");
  expect(() => start?.edit('const partners = {};')).toThrow('has no');
});
