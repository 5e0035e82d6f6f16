import { meets, type Benchmark, type BenchmarkResult, type Figure } from './benchmark.ts';
import type { Spread } from './rounds.ts';

/** Everything one run found, as it stands in the JSON file. */
export interface Report {
  readonly at: string;
  readonly machine: string;
  readonly command: string;
  readonly benchmarks: readonly (Pick<Benchmark, 'id' | 'what' | 'baseline' | 'answers'> & BenchmarkResult)[];
}

const digits = (value: number): string => {
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
};
const shown = (spread: Spread | undefined): string =>
  spread === undefined ? '' : `${digits(spread.median)} (${digits(spread.min)}–${digits(spread.max)})`;

function aim({ target }: Figure): string {
  if (target === undefined) return '';
  const bound = target.atMost === undefined ? `≥ ${digits(target.atLeast!)}` : `≤ ${digits(target.atMost)}`;
  return target.of === 'ratio' ? `${bound} ×` : bound;
}

const verdict = (figure: Figure): string =>
  ({ true: 'met', false: '**missed**', null: '' })[String(meets(figure))] ?? '';

const row = (figure: Figure): string =>
  `| ${figure.what} | ${figure.unit} | ${shown(figure.ours)} | ${shown(figure.baseline)} | ${shown(figure.ratio)} | ${aim(figure)} | ${verdict(figure)} |`;

export function page(report: Report): string {
  const sections = report.benchmarks.map(({ id, what, baseline, answers, figures, notes }) =>
    [
      `## ${id} ${what}`,
      '',
      `Beside it, in the same run and interleaved: ${baseline}. ${answers}`,
      '',
      '| figure | unit | ours | baseline | ratio | target | |',
      '|---|---|---|---|---|---|---|',
      ...figures.map(row),
      ...(notes.length > 0 ? ['', ...notes.map((note) => `- ${note}`)] : []),
    ].join('\n'),
  );
  return [
    '# Benchmarks',
    '',
    `Made by \`${report.command}\` on ${report.at.slice(0, 10)}: ${report.machine}. Broker, database,`,
    'all services, contract servers and the load share the machine. Each cell is the median of the rounds with the smallest and',
    'the largest. Loads are open loops: latency counts from the intended start. A target is missed when the whole interval',
    'misses it.',
    '',
    sections.join('\n\n'),
    '',
  ].join('\n');
}
