import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '@entente/observability';
import type { Benchmark } from './benchmark.ts';
import { machine } from './machine.ts';
import { page, type Report } from './page.ts';
import { drain } from './workloads/drain.ts';
import { isolation, isolationController, isolationSubject } from './workloads/isolation.ts';
import { gateCheck } from './workloads/b4-gate.ts';
import { propagation } from './workloads/b3-propagate.ts';
import { strict } from './workloads/b6-strict.ts';
import { ledger } from './workloads/b9-ledger.ts';
import { bulkImport } from './workloads/b10-import.ts';
import { consolePages } from './workloads/b11-console.ts';
import { opsOverhead } from './workloads/ops-overhead.ts';

const all: readonly Benchmark[] = [
  ...[propagation, gateCheck, strict, ledger, opsOverhead, bulkImport, drain],
  ...[isolation, isolationSubject, isolationController],
  consolePages,
];

const usage = `npm run bench -- [B2 B3 …] [--rounds N] [--seconds N] [--rows N] [--page]
  --rows N of the import; without names: all of ${all.map(({ id }) => id).join(', ')}
  --page   writes docs/benchmarks.md and docs/benchmarks.json`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '20' },
    rows: { type: 'string', default: '1000000' },
    page: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const chosen = positionals.length === 0 ? all : all.filter(({ id }) => positionals.includes(id));
const [rounds, seconds, rows] = [values.rounds, values.seconds, values.rows].map(Number) as [number, number, number];

if (values.help || chosen.length < positionals.length || ![rounds, seconds, rows].every((number) => number > 0)) {
  say(usage);
  process.exitCode = values.help ? 0 : 2;
} else {
  process.exitCode = await run();
}

async function run(): Promise<number> {
  const benchmarks: Report['benchmarks'][number][] = [];
  for (const { id, what, baseline, answers, run: measure } of chosen) {
    say(`${id} ${what}`);
    benchmarks.push({ id, what, baseline, answers, ...(await measure({ rounds, seconds, rows, say })) });
  }
  const report: Report = {
    at: new Date(systemClock.now()).toISOString(),
    machine: machine(),
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
    benchmarks,
  };
  process.stdout.write(`${page(report)}\n`);
  if (values.page) {
    const docs = join(import.meta.dirname, '..', '..', 'docs');
    await mkdir(docs, { recursive: true });
    await writeFile(join(docs, 'benchmarks.md'), page(report));
    await writeFile(join(docs, 'benchmarks.json'), `${JSON.stringify(report, null, 2)}\n`);
  }
  return 0;
}
