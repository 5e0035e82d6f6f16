import { meets, type Figure } from '../benchmark.ts';
import type { Spread } from '../rounds.ts';
import type { Report } from './report.ts';

const digits = (value: number): string => {
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
};

const shown = (spread: Spread | undefined): string => {
  if (spread === undefined) return '';
  if (spread.min === spread.max) return digits(spread.median);
  return `${digits(spread.median)} (${digits(spread.min)}–${digits(spread.max)})`;
};

function aim({ target }: Figure): string {
  if (target === undefined) return '';
  const bound = target.atMost === undefined ? `≥ ${digits(target.atLeast!)}` : `≤ ${digits(target.atMost)}`;
  return target.of === 'ratio' ? `${bound} ×` : bound;
}

const verdict = (figure: Figure): string =>
  ({ true: 'met', false: '**missed**', null: '' })[String(meets(figure))] ?? '';

const figureRow = (figure: Figure): string =>
  `| ${[
    ...[figure.what, figure.unit, shown(figure.ours), shown(figure.baseline)],
    ...[figure.baseline === undefined ? '' : (figure.peer ?? 'baseline'), shown(figure.ratio), aim(figure)],
    verdict(figure),
  ].join(' | ')} |`;

/** One benchmark, for the page and for the terminal. */
export function section({ figures, notes, sweep, ...report }: Report): string {
  return [
    `## ${report.id} ${report.what}`,
    '',
    `Baseline, in the same run and interleaved: ${report.baseline}. ${report.answers}`,
    '',
    '| figure | unit | ours | theirs | whose | ratio | target | |',
    '|---|---|---|---|---|---|---|---|',
    ...figures.map(figureRow),
    ...(sweep === undefined ? [] : ['', `![${sweep.title}](benchmarks/${report.id}.svg)`]),
    ...(notes.length > 0 ? ['', ...notes.map((note) => `- ${note}`)] : []),
    '',
    `\`${report.command}\`, ${report.at.slice(0, 16).replace('T', ' ')} UTC, commit ${report.commit}, ${digits(report.minutes)} min, ${report.machine}.`,
  ].join('\n');
}

const judgedFigures = (reports: readonly Report[]) =>
  reports.flatMap((report) => report.figures.flatMap((figure) => (figure.target ? [{ report, figure }] : [])));

/** Every report there is, what is missed first. */
export function page(reports: readonly Report[]): string {
  const judged = judgedFigures(reports);
  const missed = judged.filter(({ figure }) => meets(figure) === false);
  return [
    '# Benchmarks',
    '',
    'Made by `npm run bench`, from the files beside it in `benchmarks/`; not edited by hand. Broker, database, all services,',
    'contract servers, peers and the load share one machine. Loads are open loops: latency counts from the intended start',
    '(HdrHistogram, three digits), so a stall is felt by all who would have met it. Each cell is the median of the rounds, with the',
    'smallest and the largest; sides take turns within a round, and rounds in which the host took more than 5 % of the processor',
    'are dropped. A target is missed when the whole interval misses it. The peers are real programs on the same machine:',
    'kafkajs bare, pgbench, Kafka Connect with Debezium’s outbox event router, a webhook queue on Postgres, a checker behind two Kafka topics.',
    '',
    `${judged.length} figures have a target; ${judged.length - missed.length} meet it.`,
    ...(missed.length === 0
      ? []
      : [
          'Missed:',
          '',
          ...missed.map(
            ({ report: { id }, figure }) =>
              `- ${id}, ${figure.what}${figure.peer === undefined ? '' : ` against ${figure.peer}`}: ` +
              `${shown(figure.target?.of === 'ratio' ? figure.ratio : figure.ours)}${figure.target?.of === 'ratio' ? ' ×' : ` ${figure.unit}`}, target ${aim(figure)}`,
          ),
        ]),
    '',
    reports.map(section).join('\n\n'),
    '',
  ].join('\n');
}
