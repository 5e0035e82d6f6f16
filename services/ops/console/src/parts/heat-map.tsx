import type { ConnectorView } from '../../../src/read/views/connector.ts';
import { addressOf } from '../router.ts';
import { useFormat } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';
import { PageLink } from './link.tsx';

/** Five steps of ink; the number stands in every cell, so that no colour need be told apart. */
const steps = 5;
/** Column titles so close together that they would touch are left to those who hear them. */
const titledEvery = 3;

/** Delay against time. It scrolls in its own frame: a grid of two dimensions has no narrower form. */
export function HeatMap({ heat }: { heat: ConnectorView['heat'] }) {
  const words = useWords();
  const format = useFormat();
  const { connector } = words;
  const most = Math.max(1, ...heat.cells.flat().map(({ count }) => count));
  const names = [
    ...heat.limitsS.map((limitS) => connector.heatUpTo(format.span(limitS * 1_000))),
    connector.heatLonger,
    connector.heatOpen,
  ];
  // Longest delay on top, as a height.
  const rows = names.map((name, index) => ({ name, cells: heat.cells[index] ?? [], late: index > 4 })).reverse();
  return (
    <section>
      <h2 id="heat">{connector.heat}</h2>
      <p className="quiet">{connector.heatHint}</p>
      <div className="scroll" role="region" aria-labelledby="heat" tabIndex={0}>
        <table className="heat">
          <thead>
            <tr>
              <td />
              {heat.columns.map((at, index) => (
                <th key={at} scope="col">
                  <span className={index % titledEvery === 0 ? undefined : 'hidden'}>{format.hour(at)}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, cells, late }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {cells.map(({ count, example }, index) => (
                  <td
                    key={heat.columns[index]}
                    className={
                      count === 0 ? undefined : `${late ? 'late' : 'early'} step${Math.ceil((count / most) * steps)}`
                    }
                  >
                    {count > 0 && example !== null && (
                      <PageLink
                        to={addressOf.withdrawal(example)}
                        label={connector.heatCell(format.counted(count, words.units.withdrawals))}
                      >
                        {format.count(count)}
                      </PageLink>
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
