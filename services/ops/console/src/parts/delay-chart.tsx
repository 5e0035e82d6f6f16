import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ConnectorView } from '../../../src/read/views/connector.ts';
import { useLanguage, useTheme } from '../settings.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';
import { Table } from './table.tsx';
import { Time } from './time.tsx';

/** The first promise: accepted within 10 s (ops-and-ux.md, SLOs). */
const limitMs = 10_000;
const heightPx = 220;
type Series = ConnectorView['series'];

/** Acceptance delay over time: a sentence, lines that differ by dash and not by colour alone, and the same as a table. */
export function DelayChart({ series }: { series: Series }) {
  const words = useWords();
  const format = useFormat();
  const title = useId();
  const newest = series.at(-1);
  if (!newest) return null;
  const { connector } = words;
  return (
    <figure aria-labelledby={title}>
      <h2 id={title}>{connector.delays}</h2>
      <figcaption className="quiet">
        {connector.delaysCaption(format.span(newest.p50), format.span(newest.p99))}
      </figcaption>
      <Lines series={series} labelledBy={title} />
      <p className="key quiet small" aria-hidden="true">
        <span className="stroke solid" /> p50 <span className="stroke dashed" /> p95 <span className="stroke dotted" />{' '}
        p99
      </p>
      <details>
        <summary>{connector.chartTable}</summary>
        <Table
          caption={connector.delays}
          hideCaption
          rows={series}
          rowKey={({ at }) => at}
          columns={[
            { key: 'at', title: connector.span, cell: ({ at }) => <Time at={at} /> },
            ...(['p50', 'p95', 'p99'] as const).map((name) => ({
              key: name,
              title: name,
              numeric: true,
              cell: (point: Series[number]) => format.span(point[name]),
            })),
            { key: 'count', title: connector.finished, numeric: true, cell: ({ count }) => format.count(count) },
          ]}
        />
      </details>
    </figure>
  );
}

/** The drawing, with a cursor that the arrow keys move and that says where it stands. */
function Lines({ series, labelledBy }: { series: Series; labelledBy: string }) {
  const words = useWords();
  const format = useFormat();
  const [language, theme] = [useLanguage(), useTheme()];
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [chosen, setChosen] = useState(series.length - 1);
  const index = Math.min(chosen, series.length - 1);
  const newest = useRef(series);
  newest.current = series;

  useEffect(() => {
    const place = frame.current;
    if (!place) return undefined;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(place, format), dataOf(newest.current), place);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: place.clientWidth, height: heightPx }));
    resized.observe(place);
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      dark.removeEventListener('change', draw);
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [format, language, theme]);
  useEffect(() => plot.current?.setData(dataOf(series)), [series]);

  const point = series[index];
  const move = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      Home: -series.length,
      End: series.length,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(series.length - 1, index + step));
    setChosen(next);
    const at = series[next];
    if (at && plot.current)
      plot.current.setCursor({
        left: plot.current.valToPos(Date.parse(at.at) / 1_000, 'x'),
        top: plot.current.valToPos(at.p99, 'y'),
      });
  };
  return (
    <div
      ref={frame}
      className="plot"
      role="slider"
      tabIndex={0}
      aria-labelledby={labelledBy}
      aria-valuemin={1}
      aria-valuemax={series.length}
      aria-valuenow={index + 1}
      aria-valuetext={
        point &&
        words.connector.delaysPoint(
          format.recent(point.at),
          format.span(point.p50),
          format.span(point.p95),
          format.span(point.p99),
          format.counted(point.count, words.units.withdrawals),
        )
      }
      onKeyDown={move}
    />
  );
}

const dataOf = (series: Series): uPlot.AlignedData => [
  series.map(({ at }) => Date.parse(at) / 1_000),
  series.map(({ p50 }) => p50),
  series.map(({ p95 }) => p95),
  series.map(({ p99 }) => p99),
  series.map(() => limitMs),
];

/** A canvas knows no custom properties: asks the browser what they come to here and now. */
function colourOf(place: HTMLElement, property: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${property})`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** The axis is logarithmic: one line a power of ten, milliseconds. */
const powersOfTen = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

function optionsFor(place: HTMLElement, format: Format): uPlot.Options {
  const [text, quiet, rule, link, bad] = ['--text', '--quiet', '--rule', '--link', '--bad'].map((name) =>
    colourOf(place, name),
  );
  const font = `12px ${getComputedStyle(place).fontFamily}`;
  const axis = { stroke: quiet!, font, grid: { stroke: rule!, width: 1 }, ticks: { show: false } };
  return {
    width: place.clientWidth,
    height: heightPx,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      y: { distr: 3, range: (_plot, low, high) => [Math.max(10, low / 2), Math.max(high * 1.5, limitMs * 1.5)] },
    },
    axes: [
      { ...axis, values: (_plot, seconds) => seconds.map((at) => format.hour(new Date(at * 1_000).toISOString())) },
      {
        ...axis,
        size: 64,
        splits: (_plot, _axis, low, high) => powersOfTen.filter((ms) => ms >= low && ms <= high),
        filter: (_plot, splits) => splits,
        values: (_plot, splits) => splits.map((ms) => format.span(ms)),
      },
    ],
    series: [
      {},
      { stroke: link!, width: 2, points: { show: false } },
      { stroke: link!, width: 1.5, dash: [6, 4], points: { show: false } },
      { stroke: text!, width: 1.5, dash: [2, 3], points: { show: false } },
      { stroke: bad!, width: 1, points: { show: false } },
    ],
  };
}
