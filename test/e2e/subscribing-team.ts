import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from '@jest/globals';
import { repositoryFile, starterCatalogue, starterNotice } from '@entente/local';
import { waitFor } from '@entente/test-support';
import type { World } from './world.ts';

const recipient = 'panel';
const purpose = 'email-marketing';
const team = {
  ...{ id: recipient, name: 'Survey panel', kind: 'crm', partner: 'panel-team', audience: 'crm' },
  ...{ purposes: [purpose], identifiers: ['email'], preloaded: false },
};
const person = { subjectId: 'panel-member', email: 'panel.member@example.org' };

/**
 * docs/examples/subscriber.mjs as a team would run it: a recipient of its own, named by a new version of the notice,
 * that one new person accepts. It knows the topics, its audience's key and nothing else of us.
 */
export async function teamThatSubscribes(world: World): Promise<void> {
  const { wiring, runDirectory } = world.stack;
  const [notice] = starterCatalogue.notices;
  const version = starterNotice.version + 1;
  await world.operator.changeCatalogue({
    recipients: [{ ...team, active: true }],
    notices: [{ ...notice, version, purposes: { ...notice.purposes, [purpose]: ['hubspot-crm', recipient] } }],
  });
  await world.operator.grant(
    {
      subjectId: person.subjectId,
      notice: { ...starterNotice, version },
      decisions: [{ purpose, decision: 'granted' }],
      identifiers: { email: person.email },
    },
    `panel-${person.subjectId}`,
  );

  const file = join(runDirectory, 'panel.sqlite');
  const listening = spawn(process.execPath, [repositoryFile('docs/examples/subscriber.mjs')], {
    env: {
      PATH: process.env['PATH'],
      KAFKA: world.infrastructure.bootstrap.join(','),
      AUDIENCE: 'crm',
      AUDIENCE_KEY: wiring.secrets.audienceKeys['crm'],
      RECIPIENT: recipient,
      STORE: file,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [listening.stdout, listening.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  try {
    await waitFor(
      () => said.includes('following consent.revocations.v1') && said.includes('following consent.changes.v1'),
      {
        timeoutMs: 30_000,
        what: 'the team to follow both logs',
      },
    );
    const panel = new DatabaseSync(file, { timeout: 5_000 });
    panel.prepare('INSERT INTO panel VALUES (?), (?)').run(person.email, 'someone.else@example.org');
    const change = await world.operator.withdraw(person.subjectId);
    const settled = await waitFor(
      async () => {
        const { recipients } = await world.operator.propagation(change.changeId);
        return recipients.find((one) => one.recipient === recipient && one.state === 'accepted') ?? null;
      },
      { timeoutMs: 60_000, what: `${recipient} to have stopped` },
    );
    expect(settled.acceptedMs).toBeGreaterThan(0);
    expect(panel.prepare('SELECT email FROM panel').all()).toEqual([{ email: 'someone.else@example.org' }]);
    panel.close();
  } catch (error) {
    throw new Error(`the team said: ${said}`, { cause: error });
  } finally {
    listening.kill('SIGKILL');
    // Nobody answers for it any more: later withdrawals must not wait for it.
    await world.operator.changeCatalogue({ recipients: [{ ...team, active: false }] });
  }
}
