import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { repositoryFile } from '@entente/local';
import { waitFor } from '@entente/test-support';
import type { Answered, World } from './world.ts';

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `entente` as somebody elsewhere runs it: with addresses and a client's credentials, and nothing else of the stack. */
function entente({ stack }: World, ...args: readonly string[]): Promise<Run> {
  const { issuer, secrets } = stack.wiring;
  const env = {
    ...{ ENTENTE_CONSENT_URL: stack.urls.consent, ENTENTE_OPS_URL: stack.urls.ops },
    ...{ ENTENTE_TOKEN_URL: issuer.tokenUrl, ENTENTE_CLIENT_ID: 'operator' },
    ENTENTE_CLIENT_SECRET: secrets.clientSecret('operator'),
  };
  const cli = repositoryFile('deploy/local/dist/cli/main.js');
  return new Promise((resolve) => {
    const process_ = execFile(process.execPath, [cli, ...args], { env }, (_error, stdout, stderr) =>
      resolve({ code: process_.exitCode ?? -1, stdout, stderr }),
    );
  });
}

interface ExportedPerson {
  readonly subjectId: string;
  readonly decisions: readonly { readonly decision: string }[];
}

/** What a controller takes out of the system by the command: everybody's consents, and the evidence about one person. */
export async function exportsByTheCommand(world: World, { subjectId, change }: Answered): Promise<void> {
  const file = join(world.stack.runDirectory, 'everybody.ndjson');
  const everybody = await entente(world, 'export', '--out', file, '--json');
  expect(everybody).toMatchObject({ code: 0 });
  const text = await readFile(file, 'utf8');
  const people = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ExportedPerson);
  expect(JSON.parse(everybody.stdout)).toEqual({ people: people.length, file });
  expect(people.length).toBeGreaterThanOrEqual(world.people.length);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  // Addresses only where they are asked for.
  expect(text).not.toContain('@example.org');
  const withdrawn = people.find((one) => one.subjectId === subjectId);
  expect(new Set(withdrawn?.decisions.map(({ decision }) => decision))).toEqual(new Set(['withdrawn']));

  const again = await entente(world, 'import', file, '--dry-run', '--json');
  expect(again).toMatchObject({ code: 0 });
  expect(JSON.parse(again.stdout)).toMatchObject({
    ...{ dryRun: true, rows: people.length, recorded: 0, unchanged: people.length, rejected: 0, rejectsFile: null },
  });

  const bundle = join(world.stack.runDirectory, 'evidence.json');
  // Until a checkpoint signs the newest of their changes the command says so, and ends with 3.
  await waitFor(
    async () => (await entente(world, 'export', 'evidence', subjectId, '--person', '-o', bundle)).code === 0,
    {
      ...{ timeoutMs: 60_000, everyMs: 1_000, what: `a checkpoint over ${change.changeId}` },
    },
  );
  const judged = await entente(world, 'export', 'verify', bundle, '--json');
  expect(judged).toMatchObject({ code: 0 });
  const { valid, changes } = JSON.parse(judged.stdout) as { valid: boolean; changes: { changeId: string }[] };
  expect(valid).toBe(true);
  // Their grant and their withdrawal, the newest first.
  expect(changes.map(({ changeId }) => changeId)).toEqual([change.changeId, expect.stringMatching(/^chg_/)]);

  const evidence = JSON.parse(await readFile(bundle, 'utf8')) as { changes: { receipt: string }[] };
  const [newest, oldest] = evidence.changes;
  [newest!.receipt, oldest!.receipt] = [oldest!.receipt, newest!.receipt];
  await writeFile(bundle, JSON.stringify(evidence));
  expect(await entente(world, 'export', 'verify', bundle)).toMatchObject({ code: 3 });
}
