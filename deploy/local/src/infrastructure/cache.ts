import { chmod, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { systemClock } from '@entente/observability';

const manifestFile = '.manifest.json';

/** Relative path -> size in bytes, links as 0. */
type Manifest = Record<string, number>;

async function manifestOf(directory: string): Promise<Manifest> {
  const manifest: Manifest = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) continue;
    manifest[path.slice(directory.length + 1)] = entry.isSymbolicLink() ? 0 : (await stat(path)).size;
  }
  return manifest;
}

/** Systems empty their temporary directory file by file, oldest first: an entry is used only if nothing is missing. */
async function isWhole(entry: string): Promise<boolean> {
  try {
    const manifest = JSON.parse(await readFile(join(entry, manifestFile), 'utf8')) as Manifest;
    const sizes = await Promise.all(
      Object.entries(manifest).map(async ([path, size]) => {
        const found = await lstat(join(entry, path));
        return found.isSymbolicLink() || found.size === size;
      }),
    );
    return sizes.every(Boolean);
  } catch {
    return false;
  }
}

/** The cache's own directory: readable by all (Postgres runs as another user), writable by its owner alone. */
async function openCache(cache: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const found = await lstat(cache);
  if (!found.isDirectory() || found.uid !== process.getuid?.())
    throw new Error(`${cache} belongs to somebody else: set ENTENTE_CACHE_DIR to a directory of your own`);
  await chmod(cache, 0o755);
  await removeAbandoned(cache);
}

/** A build that was killed half-way leaves its staging directory; an hour later nobody is still building in it. */
async function removeAbandoned(cache: string): Promise<void> {
  const anHourAgo = systemClock.now() - 3_600_000;
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.')) continue;
    const left = await stat(join(cache, name)).catch(() => undefined);
    if (left && left.mtimeMs < anHourAgo) await rm(join(cache, name), { recursive: true, force: true });
  }
}

/** Readable by every user whatever our umask is: read for all, and search or execute where the owner has it. */
async function openToReaders(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = await stat(path);
    await chmod(path, (mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

/**
 * A directory made once and used by every later run. Two processes may make it at the same time: each builds its own,
 * one rename wins, and both use the winner's.
 */
export async function cached(cache: string, name: string, build: (staging: string) => Promise<void>): Promise<string> {
  await openCache(cache);
  const entry = join(cache, name);
  if (await isWhole(entry)) return entry;
  const suffix = randomBytes(6).toString('hex');
  const staging = join(cache, `.${name}.${suffix}`);
  try {
    await mkdir(staging);
    await build(staging);
    await openToReaders(staging);
    await writeFile(join(staging, manifestFile), JSON.stringify(await manifestOf(staging)));
    await place(staging, entry, `${staging}.old`);
    return entry;
  } finally {
    await rm(staging, { recursive: true, force: true });
    await rm(`${staging}.old`, { recursive: true, force: true });
  }
}

async function place(staging: string, entry: string, aside: string): Promise<void> {
  try {
    await rename(staging, entry);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    if (await isWhole(entry)) return;
    await rename(entry, aside);
    await rename(staging, entry);
  }
}
