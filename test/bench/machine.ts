import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

interface ProcessorTime {
  readonly total: number;
  readonly stolen: number;
}

/** The host's processor time by /proc/stat (proc(5)): user nice system idle iowait irq softirq steal. */
function processorTime(): ProcessorTime {
  const [, ...fields] = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/).map(Number);
  return { total: fields.slice(0, 8).reduce((sum, field) => sum + field, 0), stolen: fields[7] ?? 0 };
}

/** Begins to watch; the answer is the share stolen since. */
export function stealShare(): () => number {
  const before = processorTime();
  return () => {
    const after = processorTime();
    return (after.stolen - before.stolen) / Math.max(1, after.total - before.total);
  };
}

export const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
