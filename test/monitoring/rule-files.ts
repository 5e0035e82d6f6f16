import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '../..');
export const prometheusFolder = join(root, 'deploy/monitoring/prometheus');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export const ruleFiles = ['recording-rules.yml', 'alerts.yml'] as const;

const rulesOf = (file: (typeof ruleFiles)[number]): Rule[] =>
  (parse(read(`deploy/monitoring/prometheus/${file}`)) as { groups: { rules: Rule[] }[] }).groups.flatMap(
    ({ rules }) => rules,
  );

export const rules: readonly Rule[] = ruleFiles.flatMap(rulesOf);
export const alerts = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined);
export const alertNames: readonly string[] = [...new Set(alerts.map(({ alert }) => alert))].sort();

export interface RuleTest {
  readonly name: string;
  readonly promql_expr_test?: { expr: string; exp_samples: unknown[] }[];
}

/** Names of the promtool test files, in `deploy/monitoring/prometheus/tests`. */
export const testFiles: readonly string[] = globSync('deploy/monitoring/prometheus/tests/*.test.yml', {
  cwd: root,
}).map((file) => basename(file));
export const ruleTests: readonly RuleTest[] = testFiles.flatMap(
  (file) => (parse(read(`deploy/monitoring/prometheus/tests/${file}`)) as { tests: RuleTest[] }).tests,
);

/** Alert name to the text of its page. */
export const runbooks: ReadonlyMap<string, string> = new Map(
  globSync('docs/runbooks/Consent*.md', { cwd: root }).map((file) => [basename(file, '.md'), read(file)]),
);

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly {
    readonly title: string;
    readonly description?: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query?: string }[] };
}

export const dashboards: readonly Dashboard[] = globSync('deploy/monitoring/grafana/dashboards/*.json', {
  cwd: root,
}).map((file) => JSON.parse(read(file)) as Dashboard);

/** What Grafana puts in place of its variables, as a query to parse. */
const filledIn = (expr: string): string => expr.replaceAll('$__rate_interval', '1m').replaceAll('$connector', '.*');

/** Every query of every dashboard, as Prometheus is sent it. */
export const dashboardQueries = dashboards.flatMap(({ uid, panels }) =>
  panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ where: `${uid}: ${title}`, expr: filledIn(expr) })),
  ),
);
