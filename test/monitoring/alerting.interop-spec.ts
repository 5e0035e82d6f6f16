import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { waitFor } from '@entente/test-support';
import { stringify } from 'yaml';
import { startWorld, withdraw, type World } from '../e2e/world.ts';
import { freePort } from './free-port.ts';
import { prometheusFolder, ruleFiles } from './rule-files.ts';

/** `for:` is this many times shorter here, and the recipients' deadline is 5 s; the expressions are those that ship. */
const faster = 20;
const deadlineMs = 5_000;
const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };

const shortened = (rules: string): string =>
  rules.replaceAll(/^(\s+for: )(\d+)([smh])$/gm, (_, key: string, count: string, unit: string) => {
    return `${key}${Math.max(1, Math.round((Number(count) * seconds[unit]!) / faster))}s`;
  });

let world: World;
let prometheus: ChildProcess;
let url: string;
const directory = mkdtempSync(join(tmpdir(), 'entente-prometheus-'));

beforeAll(async () => {
  world = await startWorld({ people: 5, environment: { ops: { CONNECTOR_DEADLINE: `${deadlineMs / 1_000}s` } } });
  for (const file of ruleFiles)
    writeFileSync(join(directory, file), shortened(readFileSync(join(prometheusFolder, file), 'utf8')));
  const targets = Object.entries(world.stack.urls).map(([service, at]) => ({
    targets: [new URL(at).host],
    labels: { service },
  }));
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [...ruleFiles],
    scrape_configs: [{ job_name: 'entente', static_configs: targets }],
  };
  writeFileSync(join(directory, 'prometheus.yml'), stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  url = `http://${address}`;
  prometheus = spawn(
    'prometheus',
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { stdio: 'ignore' },
  );
  await Promise.race([
    once(prometheus, 'spawn'),
    once(prometheus, 'error').then(([error]: unknown[]) => {
      throw new Error(`prometheus cannot be run (${String(error)}): install Debian's package prometheus`);
    }),
  ]);
}, 180_000);

afterAll(async () => {
  if (prometheus?.exitCode === null && prometheus.kill()) await once(prometheus, 'exit');
  await world?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

interface Alert {
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What fires, as "alert recipient", the watchdog left out. */
async function firing(): Promise<string[]> {
  const { data } = (await (await fetch(`${url}/api/v1/alerts`)).json()) as { data: { alerts: Alert[] } };
  return data.alerts
    .filter(({ state, labels }) => state === 'firing' && labels['severity'] === 'page')
    .map(({ labels }) => `${labels['alertname']} ${labels['connector']}`);
}

async function until(what: string, holds: (alerts: readonly string[]) => boolean): Promise<void> {
  const began = performance.now();
  await waitFor(
    async () => {
      const alerts = await firing();
      if (!holds(alerts)) throw new Error(`fires: ${alerts.join(', ') || 'nothing'}`);
      return true;
    },
    { timeoutMs: 60_000, everyMs: 500, what },
  );
  process.stderr.write(`${what}: after ${((performance.now() - began) / 1_000).toFixed(1)} s\n`);
}

const setFaults = async (controlUrl: string, faults: object[]): Promise<void> => {
  const response = await fetch(`${controlUrl}/faults`, { method: 'PUT', body: JSON.stringify({ faults }) });
  expect(response.status).toBe(200);
};

test('a partner that is down pages for its recipient alone, and healing it resolves the alert', async () => {
  const { controlUrl } = world.stack.partners.hubspot;
  await until('nothing pages', (alerts) => alerts.length === 0);
  await setFaults(controlUrl, [{ kind: 'down' }]);
  await withdraw(world.operator, world.people[0]!);
  await until('partner down: ConsentRevocationOverdue hubspot-crm', (alerts) =>
    alerts.includes('ConsentRevocationOverdue hubspot-crm'),
  );
  expect(await firing()).toEqual(['ConsentRevocationOverdue hubspot-crm']);
  await setFaults(controlUrl, []);
  await until('partner healed: nothing pages', (alerts) => alerts.length === 0);
}, 180_000);

test('a killed connector is missed, and its return resolves the alert', async () => {
  const connector = world.stack.services['ad-partner-connector'];
  await connector.signal('SIGKILL');
  await until('connector killed: ConsentMetricMissing meta-ads', (alerts) =>
    alerts.includes('ConsentMetricMissing meta-ads'),
  );
  await connector.start();
  await connector.ready();
  await until('connector back: nothing pages', (alerts) => alerts.length === 0);
}, 180_000);
