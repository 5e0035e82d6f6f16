import type { Sweep } from '../benchmark.ts';

const [width, height] = [640, 320];
const margin = { left: 64, right: 150, top: 36, bottom: 48 };
/** Told apart by people who do not see all colours (Okabe and Ito). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00'];

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`);
const figure = (value: number): string =>
  value >= 1_000 ? value.toLocaleString('en') : String(Number(value.toPrecision(3)));

/** From 0 in steps of 1, 2 or 5 times a power of ten, about five of them. */
export function ticks(most: number): number[] {
  const rough = Math.max(most, Number.MIN_VALUE) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => at * step);
}

/** A line chart: sizes on a scale of equal steps in the order given (they differ by powers), figures from 0. */
export function chart({ title, x, y, lines }: Sweep): string {
  const sizes = [...new Set(lines.flatMap(({ points }) => points.map(([size]) => size)))].sort((a, b) => a - b);
  const marks = ticks(Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value))));
  const most = marks.at(-1) ?? 1;
  const [across, down] = [width - margin.left - margin.right, height - margin.top - margin.bottom];
  const atX = (size: number): number =>
    margin.left + (sizes.length === 1 ? across / 2 : (sizes.indexOf(size) / (sizes.length - 1)) * across);
  const atY = (value: number): number => margin.top + down - (value / most) * down;
  const text = (left: number, top: number, anchor: string, words: string, more = ''): string =>
    `<text x="${left.toFixed(1)}" y="${top.toFixed(1)}" text-anchor="${anchor}"${more}>${escaped(words)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img" aria-label="${escaped(title)}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(margin.left, 20, 'start', title, ' font-weight="bold"'),
    ...marks.map(
      (mark) =>
        `<line x1="${margin.left}" x2="${margin.left + across}" y1="${atY(mark).toFixed(1)}" y2="${atY(mark).toFixed(1)}" stroke="#ddd"/>` +
        text(margin.left - 8, atY(mark) + 4, 'end', figure(mark)),
    ),
    ...sizes.map((size) => text(atX(size), height - margin.bottom + 18, 'middle', figure(size))),
    text(margin.left + across / 2, height - 10, 'middle', x),
    text(16, margin.top + down / 2, 'middle', y, ` transform="rotate(-90 16 ${(margin.top + down / 2).toFixed(1)})"`),
    ...lines.flatMap(({ name, points }, at) => {
      const colour = colours[at % colours.length]!;
      const path = points.map(([size, value]) => `${atX(size).toFixed(1)},${atY(value).toFixed(1)}`);
      return [
        `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...path.map(
          (point) => `<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="3" fill="${colour}"/>`,
        ),
        `<rect x="${width - margin.right + 12}" y="${margin.top + at * 20}" width="12" height="12" fill="${colour}"/>`,
        text(width - margin.right + 30, margin.top + at * 20 + 11, 'start', name),
      ];
    }),
    '</svg>',
    '',
  ].join('\n');
}
