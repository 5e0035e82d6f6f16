import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  chainLink,
  commitmentTo,
  firstLink,
  leafOf,
  ledgerFileEnd,
  ledgerFileLine,
  ledgerFileStart,
  newNoteKeys,
  parseNoteSigner,
  parseNoteVerifier,
  rootOf,
  signCheckpoint,
  tilePath,
  tilesBetween,
  verifyLedgerFile,
} from '@entente/contracts';
import type { LedgerLine } from '@entente/contracts';
import { publishedLog } from './published-log.ts';

const { signer, verifier } = newNoteKeys('log.example');
const verifiers = [parseNoteVerifier(verifier)];
/** One full tile and a part of the next. */
const size = 300;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'entente-published-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function ledger(rewrittenAt: number | null): LedgerLine[] {
  let link = firstLink;
  return Array.from({ length: size }, (_, index) => {
    const text = Buffer.from(`{"changeId": "${index + 1}${rewrittenAt === index + 1 ? ' rewritten' : ''}"}`);
    const commitment = commitmentTo({ text, salt: null })!;
    link = chainLink(link, commitment);
    return { number: index + 1, commitment, link, content: { text, salt: null } };
  });
}

const leaves = ledger(null).map(({ commitment }) => leafOf(commitment));

async function write(name: string, content: Buffer | string): Promise<void> {
  await mkdir(dirname(join(directory, name)), { recursive: true });
  await writeFile(join(directory, name), content);
}

async function publish({ tiles = true } = {}): Promise<void> {
  const sign = (of: number) => signCheckpoint(parseNoteSigner(signer), of, rootOf(leaves.slice(0, of)));
  await write('checkpoints/0000000000000100', sign(100));
  await write('checkpoints/0000000000000300', sign(size));
  await write('checkpoint', sign(size));
  if (!tiles) return;
  for (const tile of tilesBetween(0, size).filter(({ level }) => level === 0))
    await write(tilePath(tile), Buffer.concat(leaves.slice(tile.index * 256, tile.index * 256 + tile.width)));
}

async function verdictOn(lines: readonly LedgerLine[]) {
  const text = [ledgerFileStart, ...lines.map(ledgerFileLine), ledgerFileEnd(lines.length)].join('');
  async function* chunks() {
    yield Promise.resolve(Buffer.from(text));
  }
  return verifyLedgerFile(chunks(), await publishedLog(directory, verifiers));
}

test('L-5 a ledger is held against every published checkpoint', async () => {
  await publish();
  expect(await verdictOn(ledger(null))).toMatchObject({ bad: null, signed: size, checkpoints: 3 });
});

test.each([1, 100, 101, 256, 257, 300])('L-5 a history rewritten at entry %i is named by the tiles', async (at) => {
  await publish();
  expect((await verdictOn(ledger(at))).bad).toMatchObject({ number: at, fault: 'forked' });
});

test('without tiles the checkpoints name where it begins', async () => {
  await publish({ tiles: false });
  expect((await verdictOn(ledger(200))).bad).toMatchObject({ number: 101, fault: 'forked' });
});

test('a checkpoint that none of the keys signed is refused by its name', async () => {
  await publish();
  await write('checkpoints/0000000000000200', 'nothing of ours\n');
  await expect(publishedLog(directory, verifiers)).rejects.toThrow('checkpoints/0000000000000200');
});
