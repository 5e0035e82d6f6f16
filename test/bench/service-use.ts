import { readdirSync, readFileSync } from 'node:fs';
import type { Infrastructure, Stack } from '@entente/local';
import { processUse } from './machine.ts';

/** Of what the whole consists of. */
export interface Use {
  readonly services: Readonly<Record<string, number>>;
  readonly broker: number;
  readonly database: number;
}

/** Seconds of processor time that each part has used so far. A difference of two tells what something cost. */
export function cpuOf(stack: Stack, { postgres, kafka }: Pick<Infrastructure, 'postgres' | 'kafka'>): Use {
  return {
    services: Object.fromEntries(
      Object.entries(stack.services).map(([name, { pid }]) => [name, pid === undefined ? 0 : processUse(pid).cpuS]),
    ),
    broker: sum(kafka.brokers.map(({ pid }) => (pid === undefined ? 0 : processUse(pid).cpuS))),
    database: postgres.pid === undefined ? 0 : processUse(postgres.pid).cpuS + backends(postgres.pid),
  };
}

export const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

/** What each part used between two looks. */
export const used = (before: Use, after: Use): Use => ({
  services: Object.fromEntries(
    Object.entries(after.services).map(([name, cpuS]) => [name, cpuS - (before.services[name] ?? 0)]),
  ),
  broker: after.broker - before.broker,
  database: after.database - before.database,
});

/** Every connection to Postgres has a process of its own; what one has used is the postmaster's once it has ended. */
function backends(postmaster: number): number {
  const own = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return sum(own.map((name) => (parentOf(name) === postmaster ? processUse(Number(name)).cpuS : 0)));
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined; // It ended between the listing and the look.
  }
}
