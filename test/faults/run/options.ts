import { parseArgs } from 'node:util';

export interface RunOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly people: number;
  /** Operations (decisions, changes, shares asked) a second that are aimed at. */
  readonly rate: number;
  /** Fault ids to choose from; empty = all, `none` = none. */
  readonly only: readonly string[];
  /** Of each service, beside one relay; with one, the CRM connector alone has a second. */
  readonly instances: 1 | 2;
  /** Limits of time count too, as they may on a machine that does nothing else. */
  readonly strict: boolean;
  /** Where history and report are written. */
  readonly out: string;
}

export const usage = `npm run faults -- [--minutes 5] [--seed N] [--people 300] [--rate 120] [--instances 1|2] [--only F1,F6|none] [--strict] [--out DIRECTORY]`;

/** Throws with one line that says what is wrong. */
export function parseOptions(args: readonly string[]): RunOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      people: { type: 'string', default: '300' },
      rate: { type: 'string', default: '120' },
      instances: { type: 'string', default: '2' },
      only: { type: 'string', default: '' },
      strict: { type: 'boolean', default: false },
      out: { type: 'string', default: '.entente/faults' },
    },
  });
  const number = (name: 'minutes' | 'seed' | 'people' | 'rate' | 'instances', least: number, most: number): number => {
    const value = Number(values[name]);
    if (!(value >= least && value <= most))
      throw new Error(`--${name} must be a number from ${least} to ${most}\n${usage}`);
    return value;
  };
  return {
    minutes: number('minutes', 0.1, 600),
    seed: number('seed', 0, 2 ** 31),
    people: number('people', 10, 10_000),
    rate: number('rate', 1, 10_000),
    only: values.only === '' ? [] : values.only.split(','),
    instances: number('instances', 1, 2) < 2 ? 1 : 2,
    strict: values.strict,
    out: values.out,
  };
}
