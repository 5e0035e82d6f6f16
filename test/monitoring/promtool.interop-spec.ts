import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { dashboardQueries, prometheusFolder, ruleFiles, testFiles } from './rule-files.ts';

interface Ended {
  readonly ok: boolean;
  readonly output: string;
}

function promtool(...args: string[]): Ended {
  const { error, status, stdout, stderr } = spawnSync('promtool', args, { cwd: prometheusFolder, encoding: 'utf8' });
  if (error)
    throw new Error(
      `promtool cannot be run (${error.message}): install Debian's package prometheus, or Prometheus 2.42 or newer`,
    );
  return { ok: status === 0, output: `${stdout}${stderr}` };
}

beforeAll(() => {
  promtool('--version');
});

describe('promtool', () => {
  test('accepts the configuration and every rule file it names', () => {
    const { ok, output } = promtool('check', 'config', 'prometheus.yml');
    expect({ ok, output }).toEqual({
      ok: true,
      output: expect.stringContaining(`${ruleFiles.length} rule files found`),
    });
  });

  test.each(testFiles)(
    'plays the recorded series of %s: each alert fires when it must, and only then',
    (file) =>
      expect(promtool('test', 'rules', `tests/${file}`)).toEqual({
        ok: true,
        output: expect.stringContaining('SUCCESS'),
      }),
    120_000,
  );

  test('parses every query of every dashboard, and would not parse a broken one', () => {
    const folder = mkdtempSync(join(tmpdir(), 'entente-dashboards-'));
    const checked = (queries: readonly string[]): Ended => {
      const rules = queries.map((expr, index) => ({ record: `dashboard:query:${index}`, expr }));
      const file = join(folder, 'queries.yml');
      writeFileSync(file, stringify({ groups: [{ name: 'dashboards', rules }] }));
      return promtool('check', 'rules', file);
    };
    try {
      expect(dashboardQueries.length).toBeGreaterThan(20);
      expect(checked(dashboardQueries.map(({ expr }) => expr))).toMatchObject({ ok: true });
      expect(checked(['sum by (connector) (rate(consent_leaks_total[5m])'])).toMatchObject({ ok: false });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
