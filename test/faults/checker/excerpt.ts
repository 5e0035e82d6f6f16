import type { HistoryEvent } from './history.ts';
import type { Violation } from './violation.ts';

/** Longest value printed whole; a vector of many purposes would hide the line's point. */
const longestValue = 160;

/** A violation as a person reads it: the sentence, then the few events that show it, each with its time in seconds. */
export function excerpt({ rule, what, events }: Violation): string {
  return [`${rule}: ${what}`, ...events.map((event) => `  ${line(event)}`)].join('\n');
}

function line({ kind, at, ...rest }: HistoryEvent): string {
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${shown(value)}`);
  return `${(at / 1000).toFixed(4).padStart(10)}s  ${kind.padEnd(16)} ${fields.join(' ')}`;
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none');
  return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
}

/** Whole milliseconds apart, for the sentence. */
export const milliseconds = (ms: number): string => `${Math.round(ms * 10) / 10} ms`;

/** The events that are there, in order of time. */
export const inOrder = (...events: readonly (HistoryEvent | undefined)[]): HistoryEvent[] =>
  events.filter((event) => event !== undefined).sort((a, b) => a.at - b.at);
