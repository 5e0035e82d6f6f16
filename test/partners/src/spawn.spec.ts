import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { partnerNames } from './partner.ts';
import { spawnContractServer } from './spawn.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
let folder: string;

// A busy machine starts Node in seconds, and these tests start it several times.
jest.setTimeout(60_000);

beforeAll(async () => {
  // The servers are processes of their own, so they run as built.
  await promisify(execFile)(process.execPath, ['tools/build.mjs', 'test/partners'], { cwd: root });
  folder = await mkdtemp(join(tmpdir(), 'contract-spawn-'));
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a contract server as a process', () => {
  test.each(partnerNames)('%s announces itself, answers its control API, and leaves on SIGTERM', async (partner) => {
    const server = await spawnContractServer(partner, {
      journal: join(folder, `${partner}.jsonl`),
      rate: { requests: 5, perMs: 1_000 },
    });
    const health = await (await fetch(`${server.controlUrl}/health`)).json();
    expect(health).toMatchObject({ ok: true, partner, pid: server.pid, url: server.url });
    await server.stop();
    await expect(fetch(`${server.url}/`)).rejects.toThrow('fetch failed');
  });

  test('kill -9 loses nothing that was answered', async () => {
    const journal = join(folder, 'killed.jsonl');
    const first = await spawnContractServer('hubspot', { journal, subscriptionIds: [7, 8] });
    const answered: string[] = [];
    const send = async (email: string): Promise<void> => {
      const path = `/communication-preferences/2026-03/statuses/${email}/unsubscribe-all?channel=EMAIL`;
      const response = await fetch(`${first.url}${path}`, {
        method: 'POST',
        headers: { authorization: 'Bearer test-token' },
      });
      await response.arrayBuffer();
      answered.push(email);
    };
    const sending = Promise.allSettled(Array.from({ length: 400 }, (_, n) => send(`p${n}@b.de`)));
    while (answered.length < 50) await new Promise((resolve) => setImmediate(resolve));
    await first.kill('SIGKILL');
    await sending;
    const second = await spawnContractServer('hubspot', { journal, subscriptionIds: [7, 8] });
    const state = (await second.state()) as { people: { email: string; optedOutOfAll: boolean }[] };
    const known = new Set(state.people.filter(({ optedOutOfAll }) => optedOutOfAll).map(({ email }) => email));
    expect(answered.filter((email) => !known.has(email))).toEqual([]);
    await second.stop();
  });

  test('it ends when the process that started it is gone', async () => {
    const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
    const args = [main, 'meta', '--journal', join(folder, 'orphan.jsonl'), '--watch-stdin'];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const ended = once(child, 'exit');
    // What a starter's death does to the pipe.
    child.stdin.end();
    expect(await ended).toEqual([0, null]);
  });

  test('a wrong command line says what is wrong', async () => {
    await expect(spawnContractServer('meta', { journal: join(folder, 'x.jsonl'), port: -1 })).rejects.toThrow('--port');
  });
});
