import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { registerCanary } from './canary-commands.ts';
import { failure } from './exit.ts';

const said: string[] = [];
const [write, exitCodeBefore] = [process.stderr.write.bind(process.stderr), process.exitCode];
let ops: Server;
let url: string;

/** A canary of which a run is under way that does not end. */
beforeEach(async () => {
  said.length = 0;
  ops = createServer((request, response) => {
    const run = { id: 'r', recipient: 'meta-ads', result: null };
    const isBegin = request.method === 'POST';
    response.statusCode = isBegin ? 409 : 200;
    response.setHeader('content-type', isBegin ? 'application/problem+json' : 'application/json');
    const canaries = [{ recipient: 'meta-ads', configured: true, runs: [run] }];
    response.end(
      JSON.stringify(
        isBegin ? { title: 'runs already', status: 409 } : request.url === '/v1/canaries' ? { canaries } : run,
      ),
    );
  });
  ops.listen(0, '127.0.0.1');
  await once(ops, 'listening');
  url = `http://127.0.0.1:${(ops.address() as AddressInfo).port}`;
  process.stderr.write = (text: string | Uint8Array): boolean => said.push(String(text)) > 0;
});
afterEach(() => {
  process.stderr.write = write;
  process.exitCode = exitCodeBefore;
  ops.close();
});

test('beside a run that is under way, canary run says for what and how long it waits, and waits no longer', async () => {
  const program = new Command().exitOverride();
  registerCanary(program);
  const given = ['--consent-url', url, '--ops-url', url, '--token', 't'];
  const code = await program
    .parseAsync(['canary', 'run', 'meta-ads', '--timeout', '0.3', ...given], { from: 'user' })
    .then(() => 0, failure);
  expect(code).toBe(4);
  expect(said.join('')).toContain('a run of meta-ads is under way; waiting at most 0.3 s for its result');
  expect(said.join('')).toContain('has not ended within 0.3 s');
});
