import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import * as adPartners from '../../../services/ad-partner-connector/src/partners/index.ts';
import * as analytics from '../../../services/analytics-connector/src/partners/index.ts';
import * as crm from '../../../services/crm-connector/src/partners/index.ts';

const page = readFileSync(new URL('../../../docs/connectors/README.md', import.meta.url), 'utf8');
/** Cells of every table row that begins with a partner's name, the name without its link. */
const rows = page.split('\n').flatMap((line) => {
  const [, name] = /^\| \[?`([a-z0-9-]+)`/.exec(line) ?? [];
  return name === undefined ? [] : [{ name, cells: line.split(' | ').map((cell) => cell.replace(/ \|$/, '')) }];
});
const definitions = [...Object.values(crm), ...Object.values(analytics), ...Object.values(adPartners)];
const none = '—';

describe('docs/connectors/README.md', () => {
  test('names every partner once in each table, and nobody else', () => {
    const named = rows.map(({ name }) => name).sort();
    const listed = definitions.map(({ partner }) => partner);
    expect(named).toEqual([...listed, ...listed].sort());
  });

  test.each(definitions.map((definition) => [definition.partner, definition] as const))(
    '%s: kind, delay, and what it offers beside revoking, are as in its definition',
    (partner, definition) => {
      const [meaning, figures] = rows.filter(({ name }) => name === partner);
      const [, service, , , confirmed, erased] = meaning?.cells ?? [];
      expect(service).toBe(definition.kind);
      expect(confirmed !== none).toBe(definition.confirm !== undefined || definition.readBack !== undefined);
      expect(erased !== none).toBe(definition.erase !== undefined);
      expect(figures?.cells[1]).toBe(definition.documentedDelay.en);
    },
  );
});
