import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryFile } from '@entente/local';

const run = promisify(execFile);
const installed = repositoryFile('node_modules');

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly bundleDependencies?: readonly string[];
  readonly bin?: string | Readonly<Record<string, string>>;
}

const manifestIn = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;

/** `npm run pack:gate`. @returns the tarball */
export async function packGate(into: string): Promise<string> {
  const { stdout } = await run(process.execPath, [repositoryFile('tools/pack-gate.mjs'), into]);
  return stdout.trim();
}

/**
 * A service of somebody else's in an empty folder, with the gate installed by npm itself. npm may not ask a registry: what the
 * tarball declares, and only that, lies there already, as a registry would have given it.
 */
export async function installHost(folder: string, tarball: string): Promise<void> {
  await mkdir(join(folder, 'node_modules/.bin'), { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'host', private: true, type: 'module' }));
  const { stdout } = await run('tar', ['-xzOf', tarball, 'package/package.json']);
  const { dependencies = {}, bundleDependencies = [] } = JSON.parse(stdout) as Manifest;
  const wanted = Object.keys(dependencies).filter((name) => !bundleDependencies.includes(name));
  for (const name of await withTheirs(wanted)) {
    await cp(join(installed, name), join(folder, 'node_modules', name), { recursive: true });
    const { bin = {} } = await manifestIn(join(installed, name));
    for (const command of typeof bin === 'string' ? [basename(name)] : Object.keys(bin)) {
      const at = join('node_modules/.bin', command);
      await cp(repositoryFile(at), join(folder, at), { verbatimSymlinks: true });
    }
  }
  const flags = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', join(folder, '.npm-cache')];
  await run('npm', ['install', ...flags, tarball], { cwd: folder });
}

/** With what these depend on, as far as it stands beside them; what stands within them comes with them. */
async function withTheirs(names: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set(names);
  for (const name of found) {
    const { dependencies = {}, optionalDependencies = {} } = await manifestIn(join(installed, name));
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies }))
      if (existsSync(join(installed, needed)) && !existsSync(join(installed, name, 'node_modules', needed)))
        found.add(needed);
  }
  return found;
}

/** `tsc --strict`, the declarations of the package included. @returns what it has against the file, '' when nothing */
export async function typeFaults(folder: string, file: string): Promise<string> {
  const types = join(folder, 'node_modules/@types/node');
  await mkdir(dirname(types), { recursive: true });
  for (const name of ['@types/node', 'undici-types'])
    await symlink(join(installed, name), join(folder, 'node_modules', name));
  const flags = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--noEmit'];
  const settings = ['--target', 'es2024', '--module', 'nodenext', '--types', 'node', '--skipLibCheck', 'false'];
  const tsc = repositoryFile('node_modules/typescript/bin/tsc');
  return run(process.execPath, [tsc, ...flags, ...settings, file], { cwd: folder }).then(
    () => '',
    (error: { readonly stdout: string }) => error.stdout,
  );
}
