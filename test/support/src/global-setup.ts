import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { announce, takeDescriptionFile } from './config.ts';
import { remember } from './running.ts';

const repository = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Once per run, before the first integration or e2e test: compiles what changed (the tests start built services), brings
 * real Postgres and Kafka up unless they are given, and tells the workers where they are.
 */
export default async function globalSetup(): Promise<void> {
  await promisify(execFile)(process.execPath, ['tools/build.mjs'], { cwd: repository });
  const { startInfrastructure } = await import('@entente/local');
  const infrastructure = await startInfrastructure({ say: (line) => process.stderr.write(`${line}\n`) });
  remember(infrastructure);
  announce(infrastructure);
  process.stderr.write(`${infrastructure.description}\n`);
  const file = takeDescriptionFile();
  if (file) await writeFile(file, infrastructure.description);
}
