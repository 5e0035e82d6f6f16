// Compiles every workspace's src/ to dist/ with SWC, file by file, and the console with Vite; only what is newer than its
// output is compiled.
import { transformFile } from '@swc/core';
import { cp, glob, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
process.chdir(root);
const started = performance.now();
const workspaces = process.argv.slice(2);
const roots =
  workspaces.length > 0 ? workspaces : ['libs/*', 'services/*', 'deploy/local', 'test/support', 'test/partners'];
const mtime = (path) =>
  stat(path).then(
    (s) => s.mtimeMs,
    () => 0,
  );
const settings = Math.max(await mtime('.swcrc'), await mtime('tools/build.mjs'));
let compiled = 0;
const consoleSource = 'services/ops/console';
const consoleTarget = 'services/ops/dist/console';

const outputOf = (source) => source.replace(/\/src\//, '/dist/').replace(/\.ts$/, '.js');

async function compile(source) {
  const target = outputOf(source);
  if ((await mtime(target)) > Math.max(await mtime(source), settings)) return;
  await mkdir(dirname(target), { recursive: true });
  if (!source.endsWith('.ts')) return cp(source, target);
  const { code, map } = await transformFile(source, { swcrc: true, filename: source, sourceMaps: true });
  await writeFile(`${target}.map`, map ?? '');
  await writeFile(target, `${code}\n//# sourceMappingURL=${target.split('/').at(-1)}.map\n`);
  compiled += 1;
}

async function dropOrphans(workspace, sources) {
  const wanted = new Set(sources.map(outputOf));
  for await (const built of glob(`${workspace}/dist/**/*.js`))
    if (!wanted.has(built) && !built.startsWith(`${consoleTarget}/`)) await rm(built);
}

/** The ops service's console is a Vite application of its own, built whole, and only when one of its files is newer. */
async function buildConsole() {
  const files = await Array.fromAsync(glob(join(consoleSource, '{*,src/**/*}.{ts,tsx,css,html,svg,json}')));
  const newest = Math.max(...(await Promise.all(files.map(mtime))), await mtime('tools/build.mjs'));
  if ((await mtime(join(consoleTarget, 'index.html'))) > newest) return;
  // Under Jest this runs with NODE_ENV=test, which would give people React's development build.
  process.env.NODE_ENV = 'production';
  const { build } = await import('vite');
  await build({ configFile: join(consoleSource, 'vite.config.ts'), logLevel: 'warn' });
  compiled += files.length;
}

for (const pattern of roots) {
  for await (const workspace of glob(pattern)) {
    const sources = [];
    for await (const file of glob(join(workspace, 'src/**/*.{ts,json,html,css,sql}')))
      if (!/\.(it-|e2e-|interop-)?spec\.ts$|\.d\.ts$/.test(file)) sources.push(file);
    await Promise.all(sources.map(compile));
    await dropOrphans(workspace, sources);
    if (workspace === 'services/ops') await buildConsole();
  }
}
if (process.env.BUILD_QUIET !== '1')
  console.error(`built ${compiled} files in ${Math.round(performance.now() - started)} ms`);
