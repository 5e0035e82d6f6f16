import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TokenSource } from '@entente/http';
import {
  EntenteClient,
  freePorts,
  importPeople,
  makePeople,
  peopleCsv,
  repositoryFile,
  shareOnce,
  stackRecipients,
  starterCatalogue,
  starterNotice,
} from '@entente/local';
import { ownBroker, testDatabase, waitFor, type OwnBroker, type TestDatabase } from '@entente/test-support';
import { parse } from 'yaml';
import { readCompose, variablesOf, type ComposeService } from './compose-file.ts';
import { ComposeRun, portBook, volumeTargets } from './compose-run.ts';

const path = repositoryFile('docker-compose.yml');
const text = readFileSync(path, 'utf8');
const settings = text.replaceAll(/^ *#.*$/gm, '');
const file = readCompose(path);
const services = Object.entries(file.services);
const ours = services.filter(([, { build }]) => build !== undefined);
const oneShot = ['topics', 'migrate', 'catalogue'];
const longRunning = ours.filter(([name]) => !oneShot.includes(name)).map(([name]) => name);
const profiles = ['core', 'demo', 'obs'];
const run = promisify(execFile);

/** A compose client of this machine; it needs no engine to read a file. */
async function composeClient(): Promise<((file: string) => Promise<string>) | undefined> {
  const flags = ['--project-directory', dirname(path), ...profiles.flatMap((name) => ['--profile', name])];
  const answers = (program: string, args: readonly string[]): Promise<string | undefined> =>
    run(program, [...args]).then(
      ({ stdout }) => stdout,
      () => undefined, // No such client on this machine.
    );
  const config = (program: string, args: readonly string[]) => async (given: string) =>
    (await run(program, [...args, ...flags, '-f', given, 'config'], { maxBuffer: 10_000_000 })).stdout;
  if (await answers('docker', ['compose', 'version'])) return config('docker', ['compose']);
  if (await answers('docker-compose', ['version'])) return config('docker-compose', []);
  return undefined;
}

/** docker-compose 1 wants a version and knows no name; else it reads the same file. */
const forOldClients = (content: string): string => `version: '3.9'\n${content.replace(/^name:.*$/m, '')}`;

describe('docker-compose.yml', () => {
  test('is read by a compose client, where there is one, as these tests read it', async () => {
    const client = await composeClient();
    const directory = mkdtempSync(join(tmpdir(), 'entente-compose-'));
    try {
      const old = join(directory, 'docker-compose.yml');
      writeFileSync(old, forOldClients(text));
      const printed = client && (await client(path).catch(() => client(old)));
      const read = printed === undefined ? file : (parse(printed) as typeof file);
      expect(Object.keys(read.services).sort()).toEqual(services.map(([name]) => name).sort());
      for (const [name, service] of services) {
        expect({ name, environment: read.services[name]?.environment ?? {} }).toEqual({
          name,
          environment: service.environment ?? {},
        });
        expect({ name, command: read.services[name]?.command }).toEqual({ name, command: service.command });
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('gives every variable one default, and .env.example names each with it', () => {
    const defaults = new Map(variablesOf(settings).map(({ name, standard }) => [name, standard]));
    for (const { name, standard } of variablesOf(settings))
      expect({ name, standard }).toEqual({ name, standard: defaults.get(name) });
    const example = readFileSync(repositoryFile('.env.example'), 'utf8')
      .split('\n')
      .filter((line) => /^[A-Z]/.test(line))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const);
    expect(Object.fromEntries(example)).toEqual(Object.fromEntries(defaults));
    // A `$` in another form would be a variable these tests do not see.
    expect(settings.replaceAll(/\$\{[A-Z0-9_]+:-[^}]*\}/g, '')).not.toContain('$');
  });

  test('starts nothing before what it needs: one-shots are awaited, services must be healthy', () => {
    for (const [name, { depends_on: needed = {}, healthcheck, profiles: own }] of services) {
      if (!oneShot.includes(name)) expect({ name, healthcheck }).toEqual({ name, healthcheck: expect.anything() });
      expect(profiles).toContain(own[0]);
      for (const [other, { condition }] of Object.entries(needed))
        expect({ name, other, condition }).toEqual({
          name,
          other,
          condition: oneShot.includes(other) ? 'service_completed_successfully' : 'service_healthy',
        });
    }
  });

  test('publishes ports on this machine alone, each once', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
    expect(new Set(ports).size).toBe(ports.length);
  });

  test.each(ours)('%s runs on a read-only root and writes to its volumes alone', (_, service: ComposeService) => {
    expect(service.read_only).toBe(true);
    const targets = volumeTargets(service);
    const told = [...Object.values(service.environment ?? {}), ...(service.command ?? [])].join(' ');
    for (const [place] of told.matchAll(/\/var\/lib\/entente[\w./-]*/g))
      expect(targets.filter((target) => place === target || place.startsWith(`${target}/`))).toHaveLength(1);
    for (const volume of service.volumes ?? []) expect(Object.keys(file.volumes)).toContain(volume.split(':')[0]);
  });

  test('is built by a Dockerfile that knows every workspace and every target', () => {
    const dockerfile = readFileSync(repositoryFile('deploy/docker/Dockerfile'), 'utf8');
    const { workspaces } = JSON.parse(readFileSync(repositoryFile('package.json'), 'utf8')) as { workspaces: string[] };
    const manifests = globSync(
      workspaces.map((pattern) => `${pattern}/package.json`),
      { cwd: repositoryFile('.') },
    );
    for (const manifest of manifests) expect(dockerfile).toContain(`COPY ${manifest} ${dirname(manifest)}/`);
    const targets = new Set(ours.map(([, { build }]) => build?.target));
    for (const target of targets) expect(dockerfile).toContain(` AS ${target}\n`);
  });

  test('is watched by Prometheus on the ports the services listen on', () => {
    const { scrape_configs: jobs } = parse(
      readFileSync(repositoryFile('deploy/monitoring/prometheus/prometheus.yml'), 'utf8'),
    ) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    const targets = jobs.flatMap((job) => job.static_configs.flatMap((config) => config.targets));
    const serving = ours.filter(([, { build }]) => build?.target === 'service');
    expect(targets.sort()).toEqual(
      serving.map(([name, { environment }]) => `${name}:${environment?.['HTTP_PORT']}`).sort(),
    );
  });
});

describe('its services, started as processes with the command and environment of the file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'entente-compose-'));
  let database: TestDatabase;
  let broker: OwnBroker;
  let compose: ComposeRun;

  beforeAll(async () => {
    [database, broker] = await Promise.all([testDatabase('compose'), ownBroker()]);
    const portOf = portBook(await freePorts(20));
    compose = new ComposeRun(file, { databaseUrl: database.url, broker: broker.bootstrap[0]!, directory, portOf });
  }, 120_000);

  afterAll(async () => {
    await compose?.stop();
    await Promise.all([broker?.stop(), database?.drop()]);
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  test('the database and the broker are those of the file', () => {
    const {
      POSTGRES_USER: user,
      POSTGRES_PASSWORD: password,
      POSTGRES_DB: name,
    } = file.services['postgres']?.environment ?? {};
    for (const [, { environment = {} }] of ours) {
      if (environment['DATABASE_URL'] !== undefined)
        expect(environment['DATABASE_URL']).toBe(`postgres://${user}:${password}@postgres:5432/${name}`);
      if (environment['KAFKA_BOOTSTRAP'] !== undefined)
        expect(file.services['kafka']?.environment?.['KAFKA_ADVERTISED_LISTENERS']).toContain(
          `INTERNAL://${environment['KAFKA_BOOTSTRAP']},`,
        );
    }
  });

  test('all become healthy by their own health checks', async () => {
    await Promise.all(longRunning.map((name) => compose.start(name)));
    expect(longRunning).toEqual(
      expect.arrayContaining(['consent', 'ops', 'issuer', ...stackRecipients.map((r) => r.connector)]),
    );
  }, 240_000);

  test('and a withdrawal reaches every partner: the keys, secrets and addresses of the file agree', async () => {
    const operator = file.services['catalogue']?.environment ?? {};
    const tokens = new TokenSource({
      tokenEndpoint: compose.here(operator['ENTENTE_TOKEN_URL'] ?? ''),
      clientId: operator['ENTENTE_CLIENT_ID'] ?? '',
      clientSecret: operator['ENTENTE_CLIENT_SECRET'] ?? '',
    });
    const urlOf = (name: string): string => `http://127.0.0.1:${compose.environmentOf(name)['HTTP_PORT']}`;
    const client = new EntenteClient({ consentUrl: urlOf('consent'), opsUrl: urlOf('ops') }, () => tokens.getToken());
    const people = makePeople(3);
    const peopleFile = join(directory, 'people.csv');
    writeFileSync(
      peopleFile,
      peopleCsv(
        people,
        starterCatalogue.purposes.map(({ id }) => id),
      ),
    );
    await importPeople({
      file: peopleFile,
      rejectsFile: join(directory, 'rejects.csv'),
      client,
      notice: starterNotice,
    });
    const subjects = people.map(({ subjectId }) => subjectId);
    for (const { recipient, connector } of stackRecipients)
      await shareOnce(client, { recipient, url: urlOf(connector) }, subjects);

    const change = await client.withdraw(subjects[0]!);
    const propagation = await waitFor(
      async () => {
        const now = await client.propagation(change.changeId);
        return now.allAccepted && now;
      },
      { timeoutMs: 30_000, what: 'every partner to accept the withdrawal' },
    );
    expect(propagation.recipients.map(({ recipient }) => recipient).sort()).toEqual(
      stackRecipients.map(({ recipient }) => recipient).sort(),
    );
    // Each had been given the data, so each really was asked to forget it.
    for (const { outcome } of propagation.recipients) expect(outcome).not.toBe('never-shared');
  }, 90_000);

  test('SIGTERM ends each in order, within its grace period', async () => {
    const codes = await compose.stop();
    expect(codes).toEqual(Object.fromEntries(Object.keys(codes).map((name) => [name, 0])));
  }, 60_000);
});
