import { gateStartId } from '@entente/contracts';
import { expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartRecords } from './start-records.ts';

test('GATE-6: a start stays on record until it is signed off, whoever opens the directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'entente-starts-'));
  try {
    const [first, second] = [gateStartId('0123456789ab'), gateStartId('ba9876543210')];
    await new StartRecords(directory).add(first);
    await new StartRecords(directory).add(second);
    const records = new StartRecords(directory);
    expect(records.all().sort()).toEqual([first, second]);
    records.remove(first);
    records.remove(first);
    expect(new StartRecords(directory).all()).toEqual([second]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
