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

/** Of the kernel's clock ticks, which /proc/<pid>/stat counts in (USER_HZ, 100 on Linux). */
const ticksPerSecond = 100;

interface ProcessUse {
  /** Seconds of processor time since it began, its threads included. */
  readonly cpuS: number;
}

interface ProcessMemory {
  /** Resident, MB; and what of it is the process's own share where pages are shared with others (the program itself is). */
  readonly residentMb: number;
  readonly shareMb: number;
}

/** What a process has used, by /proc (proc(5)); its name may hold spaces and brackets. */
export function processUse(pid: number): ProcessUse {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = 0, system = 0] = [Number(fields[11]), Number(fields[12])];
  return { cpuS: (user + system) / ticksPerSecond };
}

/** What a process holds of the memory. */
export function processMemory(pid: number): ProcessMemory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (what: string): number =>
    Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1_024;
  return { residentMb: megabytes('Rss'), shareMb: megabytes('Pss') };
}
