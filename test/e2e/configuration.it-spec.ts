import { spawn } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { repositoryFile } from '@entente/local';

const services = ['consent', 'ops', 'crm-connector', 'analytics-connector', 'ad-partner-connector'] as const;

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

const run = (name: string, env: NodeJS.ProcessEnv): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [repositoryFile(`services/${name}/dist/main.js`)], {
      // Where compiled code is kept is Node's affair, not the service's.
      env: { ...env, NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code, output }));
  });

describe('bad configuration ends a service before anything connects', () => {
  test.each(services)('%s without any: every fault at once, exit 1', async (name) => {
    const { code, output } = await run(name, {});
    expect(code).toBe(1);
    for (const variable of ['DATABASE_URL', 'KAFKA_BOOTSTRAP', 'AUTH_ISSUER', 'AUTH_JWKS_URL'])
      expect(output).toContain(variable);
  });

  test.each(services)('%s with wrong values: names each, and prints no secret', async (name) => {
    const { code, output } = await run(name, {
      DATABASE_URL: 'mysql://root:hunter2secret@db/x',
      KAFKA_BOOTSTRAP: 'localhost:9092',
      HTTP_PORT: '99999999',
      LOG_LEVEL: 'loud',
    });
    expect(code).toBe(1);
    expect(output).toContain('HTTP_PORT');
    expect(output).toContain('LOG_LEVEL');
    expect(output).toContain('DATABASE_URL');
    expect(output).not.toContain('hunter2secret');
  });
});
