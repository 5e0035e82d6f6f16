import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePorts, repositoryFile, starterCatalogue, starterNotice } from '@entente/local';
import { waitFor } from '@entente/test-support';
import { installHost, packGate, typeFaults } from './embedding-host.ts';
import { startWorld, type World } from './world.ts';

const recipient = 'newsletter';
const purpose = 'email-marketing';
const example = 'embedded-gate.ts';

let world: World;
let folder: string;
let host: ChildProcess;
let url: string;
let said = '';
/** What the team's partner was sent. */
const received: string[] = [];
const partner = createServer((request, response) => {
  void text(request).then((body) => {
    received.push(body);
    response.end('{}');
  });
});

beforeAll(async () => {
  world = await startWorld({ people: 1 });
  folder = await mkdtemp(join(tmpdir(), 'entente-embedding-'));
  partner.listen(0, '127.0.0.1');
  await once(partner, 'listening');
}, 180_000);

afterAll(async () => {
  host?.kill('SIGKILL');
  partner.close();
  await world?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}, 60_000);

test('npm installs the tarball in a folder of its own, without a framework or a database', async () => {
  await installHost(folder, await packGate(folder));
  const packages = await readdir(join(folder, 'node_modules'));
  expect(packages).toContain('@entente');
  expect(packages.filter((name) => /^(@nestjs|rxjs|typeorm|pg|fastify)$/.test(name))).toEqual([]);
  // One copy for all would be the host's own client, with our patches in it.
  expect(packages).not.toContain('kafkajs');
}, 120_000);

test('the example compiles against its declarations, strictly', async () => {
  await cp(repositoryFile(`docs/examples/${example}`), join(folder, example));
  expect(await typeFaults(folder, example)).toBe('');
}, 120_000);

test('GATE-7: the gate opens, and what the person agreed to is sent', async () => {
  const { wiring } = world.stack;
  const [notice] = starterCatalogue.notices;
  const version = starterNotice.version + 1;
  await world.operator.changeCatalogue({
    recipients: [
      {
        ...{ id: recipient, name: 'Newsletter', kind: 'crm', partner: 'newsletter-team', audience: 'crm' },
        ...{ purposes: [purpose], identifiers: ['email'], preloaded: true, active: true },
      },
    ],
    notices: [{ ...notice, version, purposes: { ...notice.purposes, [purpose]: ['hubspot-crm', recipient] } }],
  });
  for (const subjectId of ['reader-1', 'reader-2'])
    await world.operator.grant(
      {
        subjectId,
        notice: { ...starterNotice, version },
        decisions: [{ purpose, decision: 'granted' }],
        identifiers: { email: `${subjectId}@example.org` },
      },
      `newsletter-${subjectId}`,
    );
  const [port] = (await freePorts(1)) as [number];
  url = `http://127.0.0.1:${port}`;
  host = spawn(process.execPath, [example], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      KAFKA: world.infrastructure.bootstrap.join(','),
      CONSENT_URL: wiring.consentUrl,
      TOKEN_URL: wiring.issuer.tokenUrl,
      CLIENT_ID: 'crm-connector',
      CLIENT_SECRET: wiring.secrets.clientSecret('crm-connector'),
      CONTROLLER: world.stack.controller,
      RECIPIENT: recipient,
      PURPOSE: purpose,
      PARTNER_URL: `http://127.0.0.1:${(partner.address() as AddressInfo).port}/items`,
      DIRECTORY: join(folder, 'gate'),
      DEVELOPMENT: 'true',
      PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [host.stdout!, host.stderr!]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until('sent', 'reader-1');
  expect(received).toEqual([JSON.stringify({ items: [{ greeting: 'reader-1' }] })]);
  expect(await status()).toMatchObject({ open: true, phase: 'following', reason: null });
}, 120_000);

test('GATE-6: a withdrawal closes it before wait=gates is answered, and the operator sees that it confirmed', async () => {
  const before = received.length;
  const change = await world.operator.withdraw('reader-1', undefined, 'gates');
  expect(change.gates).toMatchObject({ expired: 0 });
  expect(await send('reader-1')).toMatchObject({ outcome: 'dropped' });
  expect(received).toHaveLength(before);
  const at = await waitFor(
    async () => {
      const { recipients } = await world.operator.propagation(change.changeId);
      return recipients.find((one) => one.recipient === recipient && one.gateClosedAt !== undefined) ?? null;
    },
    { timeoutMs: 30_000, what: 'the confirmation' },
  );
  expect(at).toMatchObject({ gateClosedBy: 'confirmation', state: 'waiting' });
}, 60_000);

test('GATE-2: without a broker the lease runs out and sends are held; with it they go on', async () => {
  await until('sent', 'reader-2');
  const [broker] = world.infrastructure.kafka.brokers;
  await broker!.kill('SIGKILL');
  await until('held', 'reader-2');
  const before = received.length;
  expect(await send('reader-2')).toEqual({ outcome: 'held', reason: 'no-lease' });
  expect(received).toHaveLength(before);
  expect(await status()).toMatchObject({ open: false, leaseRemainingMs: 0 });
  await broker!.start();
  await until('sent', 'reader-2');
}, 120_000);

test('it leaves in good order', async () => {
  const left = once(host, 'exit');
  host.kill('SIGTERM');
  expect({ exit: await left, said: said.includes('"msg":"closed"') }).toEqual({ exit: [0, null], said: true });
}, 60_000);

async function send(subjectId: string): Promise<{ readonly outcome: string; readonly reason?: string }> {
  const response = await fetch(`${url}/send`, {
    method: 'POST',
    body: JSON.stringify({ subjectId, fields: { greeting: subjectId } }),
  });
  return (await response.json()) as { outcome: string };
}

/** Sends until it ends so; it says what the host said when it never does. */
const until = (outcome: string, subjectId: string): Promise<true> =>
  waitFor(async () => (await send(subjectId)).outcome === outcome, {
    timeoutMs: 60_000,
    what: `${subjectId} to be ${outcome}`,
  }).then(
    () => true,
    (cause: unknown) => {
      throw new Error(`the host said: ${said.slice(-4_000)}`, { cause });
    },
  );

const status = async (): Promise<unknown> => (await fetch(`${url}/status`)).json();
