import type { Stage, StageFigures } from '../../../src/read/views/connector.ts';
import { useFormat } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

/** Where each stage begins, as the sum of the typical lengths before it. */
const before: Readonly<Record<Stage, readonly Stage[]>> = {
  published: [],
  consumed: ['published'],
  accepted: ['published', 'consumed'],
  confirmed: ['published', 'consumed', 'accepted'],
  visible: ['published', 'consumed', 'accepted'],
  gate: [],
  whole: [],
};
const order: readonly Stage[] = ['published', 'consumed', 'accepted', 'confirmed', 'visible', 'gate', 'whole'];

/** A waterfall that is its own data table: bars beside the figures they show. */
export function Stages({ stages }: { stages: readonly StageFigures[] }) {
  const words = useWords();
  const format = useFormat();
  const of = new Map(stages.map((figures) => [figures.stage, figures]));
  const startOf = (stage: Stage): number => before[stage].reduce((sum, one) => sum + (of.get(one)?.p50 ?? 0), 0);
  const end = Math.max(1, ...stages.map(({ stage, p95 }) => startOf(stage) + p95));
  const percent = (ms: number): string => `${(ms / end) * 100}%`;
  return (
    <table className="stages" role="table">
      <caption>{words.connector.stages}</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">
            {words.connector.stageName}
          </th>
          <th role="columnheader" scope="col" className="bars">
            {words.connector.typical}
          </th>
          {['p50', 'p95', 'p99', words.connector.finished].map((title) => (
            <th key={title} role="columnheader" scope="col" className="number">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {order.flatMap((stage) => {
          const figures = of.get(stage);
          if (!figures) return [];
          const { p50, p95, p99, count } = figures;
          return (
            <tr key={stage} role="row" className={stage === 'whole' ? 'total' : undefined}>
              <th role="rowheader" scope="row">
                {words.connector.stage[stage]}
              </th>
              <td role="cell" className="bars">
                <span className="track" aria-hidden="true">
                  <span className="bar light" style={{ left: percent(startOf(stage)), width: percent(p95) }} />
                  <span className="bar" style={{ left: percent(startOf(stage)), width: percent(p50) }} />
                </span>
              </td>
              {(
                [
                  ['p50', format.span(p50)],
                  ['p95', format.span(p95)],
                  ['p99', format.span(p99)],
                  [words.connector.finished, format.count(count)],
                ] as const
              ).map(([title, text]) => (
                <td key={title} role="cell" className="number">
                  <span className="label" aria-hidden="true">
                    {title}
                  </span>
                  <span className="value">{text}</span>
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
