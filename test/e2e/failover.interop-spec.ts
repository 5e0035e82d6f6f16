import { execFile } from 'node:child_process';
import { mkdtemp, rm, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@entente/observability';
import {
  consentEnvironment,
  makePeople,
  repositoryFile,
  stackRecipients,
  starterCatalogue,
  starterNotice,
  startStack,
  startStandby,
  type Infrastructure,
  type Stack,
  type Standby,
} from '@entente/local';
import { createPool } from '@entente/postgres';
import { ownInfrastructure, waitFor } from '@entente/test-support';
import { TcpProxy } from '../faults/run/tcp-proxy.ts';

const everyPurpose = starterCatalogue.purposes.map(({ id }) => id);
const people = makePeople(12);
const withdrawn = people.slice(0, 8);

let infrastructure: Infrastructure;
let stack: Stack;
let standby: Standby;
let directory: string;
/** In front of the database of every service, and of the standby's replication. */
let toPrimary: TcpProxy;
let replication: TcpProxy;

beforeAll(async () => {
  infrastructure = await ownInfrastructure();
  directory = await mkdtemp(join(tmpdir(), 'entente-failover-'));
  await chmod(directory, 0o755);
  [toPrimary, replication] = [await TcpProxy.listen(), await TcpProxy.listen()];
  const database = new URL(infrastructure.databaseUrl);
  for (const proxy of [toPrimary, replication]) proxy.leadTo(Number(database.port));
  standby = await startStandby({
    ...{ primaryUrl: infrastructure.databaseUrl, replicationPort: replication.port, home: join(directory, 'standby') },
  });
  database.port = String(toPrimary.port);
  stack = await startStack({
    infrastructure: { ...infrastructure, databaseUrl: database.href },
    log: createLogger({ service: 'failover', level: 'error' }),
    say: () => undefined,
  });
}, 180_000);

afterAll(async () => {
  await stack?.stop();
  await standby?.stop();
  await Promise.all([toPrimary?.close(), replication?.close()]);
  await infrastructure?.stop();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

const purposeAt = {
  'hubspot-crm': 'email-marketing',
  'segment-analytics': 'product-analytics',
  'meta-ads': 'personalised-ads',
};

/** Outcomes of one share of each of these people to each recipient. */
async function shares(of: readonly { readonly subjectId: string }[]): Promise<string[]> {
  const platform = stack.client('platform-team');
  const answers = await Promise.all(
    stackRecipients.map(({ recipient, connector }) =>
      platform.share(
        stack.urls[connector],
        of.map(({ subjectId }) => ({ recipient, purpose: purposeAt[recipient], subjectId, fields: {} })),
        300,
      ),
    ),
  );
  return answers.flat().map(({ outcome }) => outcome);
}

test('RST-4 a failover to a standby whose tail was lost: every answered withdrawal is in force again', async () => {
  const operator = stack.client('operator');
  for (const { subjectId, email } of people)
    await operator.grant(
      {
        ...{ subjectId, notice: starterNotice, identifiers: { email } },
        decisions: everyPurpose.map((purpose) => ({ purpose, decision: 'granted' as const })),
      },
      `grant-${subjectId}`,
    );
  await waitFor(async () => (await shares(people)).every((outcome) => outcome === 'sent'), {
    ...{ what: 'everybody’s data is at every partner', timeoutMs: 60_000, everyMs: 500 },
  });
  const direct = new URL(infrastructure.databaseUrl);
  direct.port = String(standby.port);
  const copy = createPool({ url: direct.href, schema: 'consent', name: 'standby', max: 1 });
  const held = async () => Number((await copy.query('SELECT count(*)::int AS n FROM ledger_entry')).rows[0]?.n ?? 0);
  await waitFor(async () => (await held()) >= people.length, { what: 'the standby follows', timeoutMs: 30_000 });

  // From here on nothing reaches the standby: what is answered now is the tail that is lost.
  replication.impose({ kind: 'refuse' });
  const versions = new Map<string, number>();
  for (const { subjectId } of withdrawn)
    versions.set(subjectId, (await operator.withdraw(subjectId, undefined, 'gates')).version);
  expect(new Set(await shares(withdrawn))).toEqual(new Set(['denied']));
  process.kill(infrastructure.postgres.pid ?? 0, 'SIGKILL');
  expect(await held()).toBe(people.length);
  await standby.promote();
  toPrimary.leadTo(standby.port);
  toPrimary.reset();

  // Nobody's gate opens for a withdrawal before the restore, nor after it.
  const consent = stack.urls.consent;
  await waitFor(async () => (await (await fetch(`${consent}/health/ready`)).text()).includes('RST-4'), {
    ...{ what: 'the relay sees what was lost', timeoutMs: 60_000, everyMs: 200 },
  });
  expect(await shares(withdrawn)).not.toContain('sent');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [repositoryFile('deploy/local/dist/cli/main.js'), 'restore', '--json'],
    { env: { ...consentEnvironment(stack.wiring, 0), HTTP_PORT: '8080' } },
  );
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ people: withdrawn.length, holes: [] },
    connectors: ['crm_connector', 'analytics_connector', 'ad_partner_connector'],
  });
  await waitFor(async () => (await shares(people.slice(8))).every((outcome) => outcome === 'sent'), {
    ...{ what: 'the gates open for the others', timeoutMs: 90_000, everyMs: 500 },
  });
  expect(new Set(await shares(withdrawn))).toEqual(new Set(['denied']));
  for (const [subjectId, version] of versions) {
    const now = (await operator.consents(subjectId)) as { version: number; purposes: { decision: string }[] };
    expect(now.version).toBeGreaterThan(version);
    expect(new Set(now.purposes.map(({ decision }) => decision))).toEqual(new Set(['withdrawn']));
  }
  await copy.end();
}, 300_000);
