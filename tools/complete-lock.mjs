// Adds to package-lock.json the optional packages of other platforms that npm could not look up when it wrote the file:
// `npm ci` refuses a lockfile without them. To be run after each `npm install` that changes the lockfile.
import { readFileSync, writeFileSync } from 'node:fs';
const file = process.argv[2] ?? 'package-lock.json';
const lock = JSON.parse(readFileSync(file, 'utf8'));
const oses = ['darwin', 'linux', 'win32', 'freebsd', 'android', 'openharmony'];
const cpus = {
  arm64: 'arm64',
  x64: 'x64',
  ia32: 'ia32',
  arm: 'arm',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
};
let added = 0;
for (const [path, entry] of Object.entries(lock.packages)) {
  if (!path.startsWith('node_modules/')) continue;
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const at = `node_modules/${name}`;
    if (lock.packages[at] || lock.packages[`${path}/${at}`]) continue;
    const os = oses.find((o) => name.includes(`-${o}`));
    const cpu = Object.keys(cpus).find((c) => new RegExp(`-${c}(-|$)`).test(name));
    if (!os || !cpu || !/^\d/.test(range)) {
      console.error('left out', path, name, range);
      continue;
    }
    const libc = name.endsWith('-gnu') ? ['glibc'] : name.endsWith('-musl') ? ['musl'] : undefined;
    lock.packages[at] = {
      version: range,
      cpu: [cpu],
      ...(entry.dev ? { dev: true } : {}),
      ...(libc ? { libc } : {}),
      license: entry.license,
      optional: true,
      os: [os],
    };
    added += 1;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a === '' ? -1 : b === '' ? 1 : a.localeCompare(b, 'en'))),
);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.error(`added ${added}`);
