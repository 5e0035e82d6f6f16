import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tilePath, tileWidth, tilesBetween } from '@entente/contracts';
import type { Tile } from '@entente/contracts';
import type { SignedCheckpoint } from './checkpoint-store.ts';
import { LedgerContradiction } from './contradiction.ts';

/**
 * What is published outside the database (L-4), in the layout of c2sp.org/tlog-tiles: `checkpoint`, the newest; the tiles of
 * the tree; and every checkpoint there ever was under `checkpoints/`. Files are whole when they appear and never change.
 */
export class CheckpointDirectory {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The newest note published here, or null. */
  newest(): Promise<string | null> {
    return this.#read('checkpoint').then((bytes) => bytes?.toString('utf8') ?? null);
  }

  /** Tiles first: whoever sees the checkpoint finds all of its tree. */
  async publish({ size, note }: SignedCheckpoint, from: number, tile: (tile: Tile) => Promise<Buffer>): Promise<void> {
    const tiles = tilesBetween(from, size);
    for (const one of tiles) await this.#writeOnce(tilePath(one), await tile(one));
    await this.#writeOnce(`checkpoints/${String(size).padStart(16, '0')}`, Buffer.from(note));
    await this.#replace('checkpoint', Buffer.from(note));
    for (const one of tiles) await this.#dropSmaller(one);
  }

  /** @throws LedgerContradiction when something else was published under this name */
  async #writeOnce(name: string, bytes: Buffer): Promise<void> {
    const published = await this.#read(name);
    if (published === null) await this.#replace(name, bytes);
    else if (!published.equals(bytes)) throw new LedgerContradiction(`${name} was published with another content`);
  }

  async #replace(name: string, bytes: Buffer): Promise<void> {
    const path = join(this.#path, name);
    await mkdir(dirname(path), { recursive: true });
    const file = await open(`${path}.new`, 'w', 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }

  /** Tiles that were not full and now are, or hold more. */
  async #dropSmaller({ level, index, width }: Tile): Promise<void> {
    const partial = dirname(join(this.#path, tilePath({ level, index, width: 1 })));
    if (width === tileWidth) return rm(partial, { recursive: true, force: true });
    for (const name of await readdir(partial)) if (Number(name) < width) await rm(join(partial, name), { force: true });
  }

  async #read(name: string): Promise<Buffer | null> {
    try {
      return await readFile(join(this.#path, name));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
  }
}

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
