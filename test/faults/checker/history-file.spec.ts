import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { check } from './check.ts';
import { readHistory, writeHistory } from './history-file.ts';
import { exact, historyOf, story } from './testing/small-history.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'history-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('a history written to a file is read back as it was', async () => {
  const path = join(folder, 'run.jsonl');
  await writeHistory(path, historyOf(story, { canaries: ['anna'] }));
  const read = await readHistory([path]);
  expect(read).toEqual({ settings: exact, events: story, artefacts: [], canaries: ['anna'] });
  expect(check(read)).toEqual([]);
});

test('several recorders write files of their own; the header may stand in any of them', async () => {
  const [taps, client] = [join(folder, 'taps.jsonl'), join(folder, 'client.jsonl')];
  const lines = story.map((event) => JSON.stringify(event));
  await writeFile(taps, lines.slice(20).join('\n'));
  await writeHistory(client, historyOf(story.slice(0, 20)));
  const read = await readHistory([taps, client]);
  expect(read.events).toHaveLength(story.length);
  expect(check(read)).toEqual([]);
});

test('a line that is no event is said with its place', async () => {
  const path = join(folder, 'torn.jsonl');
  await writeFile(path, `${JSON.stringify(story[0])}\n{"kind":"api.inv`);
  await expect(readHistory([path])).rejects.toThrow(`${path}:2`);
});
