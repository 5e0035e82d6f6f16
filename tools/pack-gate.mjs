// Packs libs/gate, with what it needs of ours, as one tarball a platform team installs in a service of its own (ADR 28).
//
//   npm run pack:gate [folder, default dist]      prints the tarball's path
import { execFile } from 'node:child_process';
import { cp, glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = new URL('..', import.meta.url).pathname;
const target = resolve(process.argv[2] ?? join(root, 'dist'));
const readJson = async (file) => JSON.parse(await readFile(join(root, file), 'utf8'));

/** Ours, carried inside the tarball: nobody else has a use for them. */
const carriedLibs = ['contracts', 'observability', 'kafka'];
/** Carried too: @entente/kafka patches it, which must not reach a copy the host uses itself. */
const carriedClient = 'kafkajs';

const manifest = await readJson('package.json');
const { name, version } = await readJson('libs/gate/package.json');
const stage = await mkdtemp(join(tmpdir(), 'entente-gate-'));
try {
  const compiled = join(stage, 'compiled');
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', join(root, 'tools/gate-package.tsconfig.json'), '--outDir', compiled]);

  const folder = join(stage, 'package');
  await moveLib('gate', folder);
  for (const lib of carriedLibs) {
    const at = join(folder, 'node_modules/@entente', lib);
    await moveLib(lib, at);
    await writeManifest(at, { name: `@entente/${lib}` });
  }
  await cp(join(root, 'node_modules', carriedClient), join(folder, 'node_modules', carriedClient), { recursive: true });
  await cp(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await cp(join(root, 'docs/embed-the-gate.md'), join(folder, 'README.md'));
  await cp(join(root, 'docs/examples/embedded-gate.ts'), join(folder, 'examples/embedded-gate.ts'));
  const carried = [...carriedLibs.map((lib) => `@entente/${lib}`), carriedClient];
  await writeManifest(folder, {
    name,
    description: 'The block in front of every outbound send: what it does not know, it does not let out.',
    dependencies: {
      ...Object.fromEntries(carriedLibs.map((lib) => [`@entente/${lib}`, version])),
      ...(await importedBy(folder)),
      [carriedClient]: testedVersion(carriedClient),
    },
    bundleDependencies: carried,
  });
  await mkdir(target, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', target], { cwd: folder });
  const [{ filename }] = JSON.parse(stdout);
  process.stdout.write(`${join(target, filename)}\n`);

  async function moveLib(lib, to) {
    const from = join(compiled, lib, 'src');
    await cp(from, join(to, 'dist'), { recursive: true });
    // TypeScript leaves the specifiers of declarations as they were written.
    for await (const file of glob(join(to, 'dist/**/*.d.ts'))) {
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace(/(['"]\.{1,2}\/[^'"]*)\.ts(['"])/g, '$1.js$2'));
    }
  }
} finally {
  await rm(stage, { recursive: true, force: true });
}

function writeManifest(folder, more) {
  const { license, engines } = manifest;
  const exports = { '.': { types: './dist/index.d.ts', default: './dist/index.js' } };
  const all = { version, license, type: 'module', engines, exports, ...more };
  return writeFile(join(folder, 'package.json'), `${JSON.stringify(all, null, 2)}\n`);
}

/** Ranges of the packages that our compiled code imports as it is loaded; what it loads on demand (tracing's SDK) nobody can ask it for here. */
async function importedBy(folder) {
  const found = new Set();
  for await (const file of glob(join(folder, '{dist,node_modules/@entente/*/dist}/**/*.js')))
    for (const [, specifier] of (await readFile(file, 'utf8')).matchAll(/\bfrom ['"]([^.'"][^'"]*)['"]/g))
      if (!specifier.startsWith('node:') && !specifier.startsWith('@entente/'))
        found.add(/^(@[^/]+\/)?[^/]+/.exec(specifier)[0]);
  return Object.fromEntries([...found].sort().map((dependency) => [dependency, `^${testedVersion(dependency)}`]));
}

/** Of the version this repository is tested with; the host's own copy serves where it is as new. */
function testedVersion(dependency) {
  const version = manifest.dependencies[dependency];
  if (version === undefined) throw new Error(`${dependency} is imported and not a dependency of this repository`);
  return version;
}
