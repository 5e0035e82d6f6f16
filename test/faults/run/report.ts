import type { EventOf, HistoryEvent, Violation } from '../checker/index.ts';
import { excerpt } from '../checker/index.ts';
import type { Judgement } from './judgement.ts';
import type { Counts } from './workload.ts';

export interface Outcome {
  readonly minutes: number;
  readonly seed: number;
  readonly infrastructure: string;
  readonly counts: Counts;
  readonly misses: ReadonlyMap<string, number>;
  /** Faults that this host cannot produce, and why. */
  readonly impossible: readonly (readonly [what: string, why: string])[];
  readonly unending: readonly string[];
  readonly crashed: readonly string[];
  readonly unhealed: readonly string[];
  readonly events: readonly HistoryEvent[];
  readonly judgement: Judgement;
  readonly date: string;
  readonly commit: string;
  readonly convergedMs: number | null;
}

const percentile = (sorted: readonly number[], part: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN);

/** A page of Markdown: what was done, what was broken meanwhile, what was found. */
export function reportOf({
  counts,
  misses,
  impossible,
  unending,
  crashed,
  unhealed,
  events,
  judgement,
  ...run
}: Outcome): string {
  const of = <K extends HistoryEvent['kind']>(kind: K): EventOf<K>[] =>
    events.filter((event): event is EventOf<K> => event.kind === kind);
  const strikes = new Map<string, { times: number; ms: number; hits: number | null }>();
  for (const { fault, how, what, target, at, to = at, hits } of of('nemesis')) {
    const name = `${fault} ${how ?? what}${how?.includes(':') === true ? '' : ` (${target})`}`;
    const known = strikes.get(name) ?? { times: 0, ms: 0, hits: null };
    const struck = hits === undefined ? known.hits : (known.hits ?? 0) + hits;
    strikes.set(name, { times: known.times + 1, ms: known.ms + to - at, hits: struck });
  }
  const commits = new Map(of('db.change').map((change) => [`${change.subject} ${change.version}`, change.at]));
  const closed = of('tracker.row')
    .flatMap(({ subject, version, gateClosedAt }) => {
      const at = commits.get(`${subject} ${version}`);
      return at === undefined || gateClosedAt === undefined ? [] : [gateClosedAt - at];
    })
    .sort((a, b) => a - b);
  const operations = counts.decisions + counts.shares + commits.size;
  return [
    `# Fault run of ${run.minutes} minutes, seed ${run.seed}`,
    '',
    `${run.date}, commit ${run.commit}. On ${run.infrastructure}; every service, broker and database behind a line that can be cut or slowed.`,
    '',
    '| what | count |',
    '| --- | --- |',
    `| operations (decisions, changes, share attempts) | ${operations} |`,
    `| decisions asked / answered / without answer | ${counts.decisions} / ${counts.answered} / ${counts.unanswered} |`,
    `| changes committed | ${commits.size} |`,
    `| shares asked / sent / denied / held / not asked yet when answered | ${[counts.shares, counts.sent, counts.denied, counts.held, counts.queued].join(' / ')} |`,
    `| sends the partners saw | ${of('egress.start').filter(({ effect }) => effect === 'share').length} |`,
    `| revocations the partners saw | ${of('egress.start').filter(({ effect }) => effect === 'revoke').length} |`,
    `| faults imposed | ${of('nemesis').length} |`,
    `| times ops was asked what is not enforced | ${of('ops.report').length} |`,
    `| events judged | ${events.length} |`,
    `| **promises broken** | **${judgement.broken.length}** |`,
    `| limits of time missed${byRule(judgement.late)} | ${judgement.late.length} |`,
    `| sends of a process that was stopped between decision and first byte | ${judgement.paused.length} |`,
    `| processes that did not end when told to | ${[unending.length, ...unending].join(', ')} |`,
    `| processes that ended instead of waiting | ${[crashed.length, ...crashed].join(', ')} |`,
    `| faults that could not be healed | ${[unhealed.length, ...unhealed].join(', ')} |`,
    '',
    `Gate closed after the commit: p50 ${percentile(closed, 0.5)} ms, p99 ${percentile(closed, 0.99)} ms, max ${percentile(closed, 1)} ms.`,
    run.convergedMs === null
      ? 'It did **not** come to rest in time.'
      : `Everything at rest ${(run.convergedMs / 1000).toFixed(1)} s after the last fault was healed.`,
    '',
    '| fault | times | seconds in force | struck |',
    '| --- | --- | --- | --- |',
    ...[...strikes]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, { times, ms, hits }]) => `| ${name} | ${times} | ${(ms / 1000).toFixed(0)} | ${hits ?? ''} |`),
    '',
    ...[...misses].map(([name, times]) => `${name}: its moment did not come ${times} times.`),
    ...impossible.map(([what, why]) => `Left out: ${what}: ${why}.`),
    '',
    ...[...judgement.broken.slice(0, 20), ...judgement.late.slice(0, 5)].map(
      (violation) => `\`\`\`\n${excerpt(violation)}\n\`\`\``,
    ),
    '',
  ].join('\n');
}

function byRule(violations: readonly Violation[]): string {
  const rules = Map.groupBy(violations, ({ rule }) => rule);
  if (rules.size === 0) return '';
  return ` (${[...rules].map(([rule, { length }]) => `${rule} ${length}`).join(', ')})`;
}
