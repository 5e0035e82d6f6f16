import { InvalidArgumentError } from 'commander';

/** For options that are a time in seconds. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0)) throw new InvalidArgumentError('give a number of seconds');
  return seconds;
}
