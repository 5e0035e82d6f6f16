import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Loaded into every service by `node --import`: the wall clock of this process, which the file of its name may set wrong, as
 * `{"aheadMs": number, "ppm": number}`. Monotonic time stays right, as on a host whose clock is stepped or badly disciplined.
 */
const directory = new URL(import.meta.url).searchParams.get('in');
if (directory === null) throw new Error('own-clock.ts?in=DIRECTORY');
const file = join(directory, process.env['INSTANCE'] ?? 'unnamed');
const lookMs = 100;

const Right = Date;
let aheadMs = 0;
let ppm = 0;
let sinceMs = Right.now();
let told = '';

const now = (): number => {
  const right = Right.now();
  return Math.round(right + aheadMs + ((right - sinceMs) * ppm) / 1e6);
};

globalThis.Date = class extends Right {
  static override now(): number {
    return now();
  }

  constructor(...given: readonly [] | readonly [number | string | Date]) {
    if (given.length === 0) super(now());
    else super(...(given as [number]));
  }
} as DateConstructor;

/** Empty where there is none: it may go between a look and the reading. */
function read(): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

setInterval(() => {
  const text = read();
  if (text === told) return;
  ({ aheadMs, ppm } = text === '' ? { aheadMs: 0, ppm: 0 } : (JSON.parse(text) as { aheadMs: number; ppm: number }));
  [told, sinceMs] = [text, Right.now()];
  // For whoever set it: from here on it is in force.
  writeFileSync(`${file}.seen`, text);
}, lookMs).unref();
