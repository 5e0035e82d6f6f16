import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { systemClock } from '@entente/observability';
import type { Benchmark } from './benchmark.ts';
import { machine } from './machine.ts';
import { section } from './report/page.ts';
import { keep } from './report/report-files.ts';
import type { Report } from './report/report.ts';
import { catalogue, shortRun } from './workloads/index.ts';

const order = catalogue.map(({ id }) => id);
/** Longest that one benchmark may take before it is ended, in minutes. */
const limitMinutes = 15;

const usage = `npm run bench -- B3 [B7 …] [--rounds N] [--seconds N] [--rows N] [--no-write]
npm run bench -- --all --rounds 3
  --seconds N   of one side in one round (20; with --all 6)
  --rows N      of an import, of a backlog, and of the largest state (1000000; with --all 50000)
  --all         ${shortRun.join(', ')}; by name only: ${order.filter((id) => !shortRun.includes(id)).join(', ')}
  --no-write    leaves docs/benchmarks/ and docs/benchmarks.md as they are`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string' },
    rows: { type: 'string' },
    all: { type: 'boolean', default: false },
    'no-write': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const ids = values.all ? shortRun : positionals;
const chosen = catalogue.filter(({ id }) => ids.includes(id));
const settings = {
  rounds: Number(values.rounds),
  seconds: Number(values.seconds ?? (values.all ? 6 : 20)),
  rows: Number(values.rows ?? (values.all ? 50_000 : 1_000_000)),
};

if (values.help || ids.length === 0 || chosen.length < ids.length || !Object.values(settings).every((one) => one > 0)) {
  say(usage);
  process.exitCode = values.help ? 0 : 2;
} else {
  const [only] = chosen;
  process.exitCode = chosen.length === 1 && only !== undefined ? await measured(only) : await eachAlone();
}

/** Each in a process of its own, so that none meets what another left in memory, and one that hangs ends alone. */
async function eachAlone(): Promise<number> {
  const options = [
    ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...(values['no-write'] ? ['--no-write'] : []),
  ];
  const failed: string[] = [];
  for (const { id } of chosen) {
    const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, id, ...options], {
      stdio: 'inherit',
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMinutes * 60_000);
    const [code] = (await once(child, 'exit')) as [number | null];
    clearTimeout(timer);
    if (code !== 0) failed.push(id);
  }
  if (failed.length > 0) say(`not measured: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

async function measured({ id, what, baseline, answers, run }: Benchmark): Promise<number> {
  say(`${id} ${what}`);
  const began = performance.now();
  const result = await run({ ...settings, say });
  const report: Report = {
    ...{ id, what, baseline, answers, ...result },
    at: new Date(systemClock.now()).toISOString(),
    machine: machine(),
    command: `npm run bench -- ${id} --rounds ${settings.rounds} --seconds ${settings.seconds} --rows ${settings.rows}`,
    commit: commit(),
    minutes: (performance.now() - began) / 60_000,
  };
  process.stdout.write(`${section(report)}\n`);
  if (!values['no-write']) await keep(report, order);
  return 0;
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const changed = git('status', '--porcelain', '--', ':/libs', ':/services', ':/test/bench').trim() !== '';
    return `${git('rev-parse', '--short=10', 'HEAD').trim()}${changed ? '+' : ''}`;
  } catch {
    return 'unknown'; // A copy without history can be measured too.
  }
}
