import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { failure } from './exit.ts';
import { registerReconcile } from './reconcile-command.ts';

const clean = { checked: 3, extra: 0, repaired: 0, stale: 0, missing: 0, unreadable: 0 };
const written: string[] = [];
const asked: unknown[] = [];
let connector: Server;
let url: string;
let counts: Record<string, Record<string, number>>;
const [write, complain] = [process.stdout.write.bind(process.stdout), process.stderr.write.bind(process.stderr)];
const exitCodeBefore = process.exitCode;
/** What people are told meanwhile. */
const said: string[] = [];
/** How long a comparison runs, milliseconds. */
let runsMs = 0;

/** A connector whose comparisons end at once. */
beforeEach(async () => {
  written.length = asked.length = said.length = runsMs = 0;
  counts = { 'hubspot-crm': { ...clean }, 'klaviyo-crm': { ...clean } };
  let endsAt = 0;
  connector = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const [, recipient] = /^\/v1\/reconciliations\/(.+)$/.exec(request.url ?? '') ?? [];
      if (request.method === 'POST') {
        asked.push(JSON.parse(body));
        endsAt = performance.now() + runsMs;
      }
      const report = {
        id: 'r',
        recipient,
        dryRun: false,
        state: performance.now() < endsAt ? 'running' : 'done',
        reason: null,
        counts: counts[recipient ?? ''],
      };
      const answer =
        request.method === 'POST'
          ? { id: 'r' }
          : recipient === undefined
            ? { recipients: Object.keys(counts) }
            : report;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer));
    });
  });
  connector.listen(0, '127.0.0.1');
  await once(connector, 'listening');
  url = `http://127.0.0.1:${(connector.address() as AddressInfo).port}`;
  process.stdout.write = (text: string | Uint8Array): boolean => written.push(String(text)) > 0;
  process.stderr.write = (text: string | Uint8Array): boolean => said.push(String(text)) > 0;
});
afterEach(() => {
  process.stdout.write = write;
  process.stderr.write = complain;
  process.exitCode = exitCodeBefore;
  connector.close();
});

/** The exit code of `entente reconcile …`. */
async function reconcile(...args: string[]): Promise<number> {
  process.exitCode = 0;
  const program = new Command().exitOverride();
  registerReconcile(program);
  const given = ['--connector-url', url, '--consent-url', url, '--ops-url', url, '--token', 't'];
  try {
    await program.parseAsync(['reconcile', ...args, ...given], { from: 'user' });
  } catch (error) {
    return failure(error);
  }
  return Number(process.exitCode);
}

describe('entente reconcile', () => {
  test('compares every recipient that can be read, and ends with 0 when nothing differs', async () => {
    expect(await reconcile('--json')).toBe(0);
    expect(asked).toEqual(['hubspot-crm', 'klaviyo-crm'].map((recipient) => ({ recipient, dryRun: false })));
    expect(JSON.parse(written.join(''))).toMatchObject({
      reports: [{ recipient: 'hubspot-crm', counts: clean }, { recipient: 'klaviyo-crm' }],
    });
  });

  test('one recipient, as a dry run; 3 when something differs', async () => {
    counts['klaviyo-crm'] = { ...clean, extra: 1, repaired: 1 };
    expect(await reconcile('klaviyo-crm', '--dry-run')).toBe(3);
    expect(asked).toEqual([{ recipient: 'klaviyo-crm', dryRun: true }]);
    expect(written.join('')).toMatch(/klaviyo-crm +3 +1 +1 +0 +0 +0 {2}done/);
  });

  test('says how far it is while it waits, on stderr', async () => {
    runsMs = 2_300;
    expect(await reconcile('klaviyo-crm', '--json')).toBe(0);
    expect(said.join('')).toContain('klaviyo-crm: 3 people checked so far, 0 of them served against their choice');
    expect(written).toHaveLength(1);
  });

  test('1 for a recipient that cannot be read, 4 for a service that does not answer', async () => {
    expect(await reconcile('meta-ads')).toBe(1);
    connector.close();
    connector.closeAllConnections();
    expect(await reconcile()).toBe(4);
  });
});
