import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chart } from './chart.ts';
import { page } from './page.ts';
import type { Report } from './report.ts';

const docs = join(import.meta.dirname, '..', '..', '..', 'docs');
const directory = join(docs, 'benchmarks');

/** Keeps what a benchmark found, in the place of what its last run found, and makes the page of all that is kept. */
export async function keep(report: Report, order: readonly string[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `${report.id}.json`), `${JSON.stringify(report, null, 2)}\n`);
  if (report.sweep !== undefined) await writeFile(join(directory, `${report.id}.svg`), chart(report.sweep));
  await writeFile(join(docs, 'benchmarks.md'), page(await kept(order)));
}

async function kept(order: readonly string[]): Promise<readonly Report[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.json'));
  const reports = await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(directory, name), 'utf8')) as Report),
  );
  return reports.filter(({ id }) => order.includes(id)).sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
}
