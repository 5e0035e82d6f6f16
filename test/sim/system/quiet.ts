import type { Logger, Metrics } from '@entente/observability';

export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** A logger that hands its lines to whoever asked for them, or to nobody. */
export function simLogger(hear: ((line: LogLine) => void) | null): Logger {
  const level = (name: string) => (fields: object, message: string) => hear?.({ level: name, fields, message });
  const silent = (): void => {};
  const logger: Record<string, unknown> = Object.fromEntries(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace'].map((name) => [name, hear === null ? silent : level(name)]),
  );
  logger['child'] = () => logger;
  return logger as unknown as Logger;
}

const nothing = (): void => {};
const handle = { inc: nothing, add: nothing, set: nothing, remove: nothing, observe: nothing, observeIn: nothing };

/** Nobody scrapes a simulation. */
export const noMetrics: Metrics = {
  counter: () => handle,
  gauge: () => handle,
  histogram: () => handle,
  collect: nothing,
  text: () => Promise.resolve(''),
  contentType: 'text/plain',
  exposition: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
};
