import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BadNote, hashIn, openCheckpoint, tilePath, tileWidth } from '@entente/contracts';
import type { Checkpoint, LedgerAnchors, NoteVerifier } from '@entente/contracts';
import { UnusableFile } from '../client/people-file.ts';

/** What the consent service has published outside its database: every checkpoint, and the leaves in tiles. */
export async function publishedLog(directory: string, verifiers: readonly NoteVerifier[]): Promise<LedgerAnchors> {
  const names = (await readdir(join(directory, 'checkpoints'))).filter((name) => /^\d+$/.test(name)).sort();
  const files = [...names.map((name) => join('checkpoints', name)), 'checkpoint'];
  const checkpoints = await Promise.all(
    files.map(async (name) => checkpointIn(await readFile(join(directory, name), 'utf8'), verifiers, name)),
  );
  return { checkpoints, publishedLeaf: leavesIn(directory) };
}

/** @throws UnusableFile when none of the keys signed it */
export function checkpointIn(note: string, verifiers: readonly NoteVerifier[], name: string): Checkpoint {
  const reasons: string[] = [];
  for (const verifier of verifiers)
    try {
      return openCheckpoint(note, verifier);
    } catch (error) {
      if (!(error instanceof BadNote)) throw error;
      reasons.push(error.message);
    }
  throw new UnusableFile(`${name}: ${reasons.join('; ')}`);
}

/** Entries are asked for in order, so one tile at a time is kept. */
function leavesIn(directory: string): (index: number) => Buffer | null {
  let held: { readonly index: number; readonly bytes: Buffer } | null = null;
  return (leaf) => {
    const index = Math.floor(leaf / tileWidth);
    if (held?.index !== index) held = { index, bytes: leafTile(directory, index) };
    return hashIn(held.bytes, leaf % tileWidth);
  };
}

/** The tile, full or as far as it goes; empty when it was never published. */
function leafTile(directory: string, index: number): Buffer {
  const full = join(directory, tilePath({ level: 0, index, width: tileWidth }));
  if (existsSync(full)) return readFileSync(full);
  const partial = dirname(join(directory, tilePath({ level: 0, index, width: 1 })));
  if (!existsSync(partial)) return Buffer.alloc(0);
  const widest = Math.max(0, ...readdirSync(partial).map(Number).filter(Number.isInteger));
  return widest === 0 ? Buffer.alloc(0) : readFileSync(join(partial, String(widest)));
}
