import { describe, expect, test } from '@jest/globals';
import { metricCatalogue, type MetricDefinition } from '@entente/observability';
import { alertNames, alerts, dashboardQueries, dashboards, rules, ruleTests, runbooks } from './rule-files.ts';

const catalogue: Readonly<Record<string, MetricDefinition>> = metricCatalogue;
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
/** What Prometheus itself adds to every series it scrapes, and a histogram's own. */
const everywhere = ['job', 'instance', 'service', 'le'];

/** Names in a query that are neither ours, nor recorded, and labels that the metrics it names do not have. */
function strangers(expr: string): string[] {
  const names = expr.match(/\b(?:connector\w*:)?consent_\w+(?::\w+)?/g) ?? [];
  const labels = new Set([...everywhere, ...names.flatMap(labelsOf)]);
  const grouped = [...expr.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/\s*,\s*/));
  const matched = [...expr.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label = '']) => label);
  return [
    ...names.filter((name) => !recorded.has(name) && !catalogue[name] && !isHistogramPart(name)),
    ...[...grouped, ...matched].filter((label) => !labels.has(label)),
  ];
}

function labelsOf(name: string): readonly string[] {
  if (recorded.has(name)) return ['connector', 'within'];
  return (catalogue[name] ?? catalogue[name.replace(/_(bucket|sum|count)$/, '')])?.labels ?? [];
}

const isHistogramPart = (name: string): boolean =>
  catalogue[name.replace(/_(bucket|sum|count)$/, '')]?.type === 'histogram';

describe('alerts', () => {
  test.each(rules.map((rule) => [rule.alert ?? rule.record ?? '', rule.expr]))(
    '%s names metrics and labels of the catalogue alone',
    (_, expr) => expect(strangers(expr)).toEqual([]),
  );

  test('a metric or label that is not in the catalogue is seen', () => {
    expect(strangers('sum by (person) (rate(consent_guesses_total{connector="x"}[5m]))')).toEqual([
      'consent_guesses_total',
      'person',
      'connector',
    ]);
  });

  test.each(alerts)(
    '$alert tells who is asked, how urgent it is, and where to read on',
    ({ alert, labels, annotations }) => {
      expect(['page', 'ticket', 'none']).toContain(labels?.['severity']);
      expect(['pipeline', 'partner']).toContain(annotations?.['owner']);
      expect(annotations).toMatchObject({
        summary: expect.stringMatching(/\S/),
        description: expect.stringMatching(/\.$/),
        runbook_url: `docs/runbooks/${alert}.md`,
      });
      const dashboard = /^\/d\/([\w-]+)/.exec(annotations?.['dashboard_url'] ?? '')?.[1];
      expect(dashboards.map(({ uid }) => uid)).toContain(dashboard);
    },
  );

  test.each(alertNames)('%s has recorded series that fire it and series that do not', (name) => {
    const checks = ruleTests
      .flatMap(({ promql_expr_test: tests = [] }) => tests)
      .filter(({ expr }) => expr.includes(`alertname="${name}"`));
    expect(checks.some(({ exp_samples }) => exp_samples.length > 0)).toBe(true);
    // The watchdog has no other state.
    expect(checks.some(({ exp_samples }) => exp_samples.length === 0)).toBe(name !== 'ConsentWatchdog');
  });

  test('every alert has its page in docs/runbooks, and every page its alert', () => {
    expect([...runbooks.keys()].sort()).toEqual(alertNames);
  });

  test.each([...runbooks])(
    'the page of %s says what it means, what to ask, what to do, and what never to do',
    (name, page) => {
      const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading);
      expect(headings).toEqual([name, 'Means', 'First question', 'First action', 'Then', 'Never']);
    },
  );
});

describe('dashboards', () => {
  test('overview, connector, pipeline and partner, each under its own address', () => {
    expect(dashboards.map(({ uid }) => uid).sort()).toEqual([
      'entente-connector',
      'entente-partner',
      'entente-pipeline',
      'entente-promise',
    ]);
  });

  test.each(dashboardQueries.map(({ where, expr }) => [where, expr]))(
    '%s names metrics and labels of the catalogue alone',
    (_, expr) => expect(strangers(expr)).toEqual([]),
  );

  test('every panel says what it shows', () => {
    const silent = dashboards.flatMap(({ panels }) => panels.filter(({ description }) => !description));
    expect(silent.map(({ title }) => title)).toEqual([]);
  });
});
