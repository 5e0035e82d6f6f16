import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFile } from '@entente/local';
import { waitFor } from '@entente/test-support';
import type { ComposeFile, ComposeService } from './compose-file.ts';

/** A probe is a process of its own: more often would slow down what it waits for. */
const probing = { everyMs: 1_000, timeoutMs: 120_000 } as const;
/** `stop_grace_period` of the file: after it an engine would kill. */
const stopGraceMs = 15_000;

export interface Surroundings {
  /** In place of the services postgres and kafka. */
  readonly databaseUrl: string;
  readonly broker: string;
  /** In place of the volumes. */
  readonly directory: string;
  /** A free port of this machine for every port of the file. */
  readonly portOf: (port: string) => number;
}

/** The services of a compose file as processes of this machine, in the order and with the conditions of the file. */
export class ComposeRun {
  private readonly children = new Map<string, ChildProcess>();
  private readonly outputs = new Map<string, string>();
  private readonly started = new Map<string, Promise<void>>();

  constructor(
    private readonly file: ComposeFile,
    private readonly around: Surroundings,
  ) {}

  /** `text` with the addresses in it as they are reached from here. */
  here(text: string): string {
    const { databaseUrl, broker, portOf } = this.around;
    const names = Object.keys(this.file.services).join('|');
    return text
      .replace(/postgres:\/\/[^/]+@postgres:5432\/[a-z]+/, databaseUrl)
      .replace(/\bkafka:9092\b/, broker)
      .replaceAll(new RegExp(`\\b(?:${names}|127\\.0\\.0\\.1):(80\\d\\d|81\\d\\d)\\b`, 'g'), (_, port: string) => {
        return `127.0.0.1:${portOf(port)}`;
      })
      .replace(/^(--(?:control-)?port=)(\d+)$/, (_, flag: string, port: string) => `${flag}${portOf(port)}`);
  }

  environmentOf(name: string): Record<string, string> {
    const { environment = {} } = this.serviceOf(name);
    const mounted = this.mounts(name);
    const here = Object.entries(environment).map(([key, value]) => [
      key,
      key.endsWith('_PORT') ? String(this.around.portOf(value)) : mounted(this.here(value)),
    ]);
    return Object.fromEntries(here) as Record<string, string>;
  }

  /** Resolves when the service and all it depends on is healthy, or has completed if it is meant to. */
  start(name: string): Promise<void> {
    const starting = this.started.get(name) ?? this.startOne(name);
    this.started.set(name, starting);
    return starting;
  }

  output(name: string): string {
    return this.outputs.get(name) ?? '';
  }

  /** SIGTERM to all; the exit code of each, or null for one that did not end in time and was killed. */
  async stop(): Promise<Record<string, number | null>> {
    const ended = [...this.children].map(async ([name, child]) => {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        const kill = setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
        child.kill('SIGTERM');
        await exited;
        clearTimeout(kill);
      }
      return [name, child.exitCode] as const;
    });
    return Object.fromEntries(await Promise.all(ended));
  }

  private serviceOf(name: string): ComposeService {
    const service = this.file.services[name];
    if (!service) throw new Error(`docker-compose.yml has no service ${name}`);
    return service;
  }

  /** Paths inside a service's volumes as paths of this machine, a folder for each volume. */
  private mounts(name: string): (text: string) => string {
    const places = (this.serviceOf(name).volumes ?? []).map((volume) => {
      const [source = '', target = ''] = volume.split(':');
      const folder = join(this.around.directory, source);
      mkdirSync(folder, { recursive: true });
      return { target, folder };
    });
    return (text) => places.reduce((now, { target, folder }) => now.replaceAll(target, folder), text);
  }

  private async startOne(name: string): Promise<void> {
    // The infrastructure of the tests stands for these two.
    if (name === 'postgres' || name === 'kafka') return;
    const { depends_on: needed = {}, healthcheck } = this.serviceOf(name);
    await Promise.all(Object.keys(needed).map((other) => this.start(other)));
    const child = this.spawn(name);
    if (!healthcheck) return this.completed(name, child);
    const probe = healthcheck.test.slice(1);
    await waitFor(
      async () => {
        if (child.exitCode === null && (await this.run(name, probe)) === 0) return true;
        throw new Error(`exit code ${child.exitCode}, last lines:\n${this.output(name).slice(-2_000)}`);
      },
      { ...probing, what: `${name} to be healthy` },
    );
  }

  private completed(name: string, child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => {
        if (code === 0) resolve();
        else reject(new Error(`${name} ended with ${String(code)}:\n${this.output(name).slice(-2_000)}`));
      });
    });
  }

  private spawn(name: string): ChildProcess {
    const { command = [] } = this.serviceOf(name);
    const child = this.process(name, command);
    const keep = (chunk: Buffer): void => void this.outputs.set(name, this.output(name) + chunk.toString());
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.children.set(name, child);
    return child;
  }

  private run(name: string, command: readonly string[]): Promise<number | null> {
    const child = this.process(name, command);
    return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  }

  private process(name: string, [program, ...args]: readonly string[]): ChildProcess {
    if (program !== 'node') throw new Error(`${name} is started by ${String(program)}, not by node`);
    const mounted = this.mounts(name);
    return spawn(
      process.execPath,
      args.map((arg) => (args[0] === '-e' ? arg : mounted(this.here(arg)))),
      // As in the image: the working directory is the root of the code, and nothing is inherited.
      { cwd: repositoryFile('.'), env: this.environmentOf(name), stdio: ['ignore', 'pipe', 'pipe'] },
    );
  }
}

/** Gives each port of the file a free one of this machine, the same at every call. */
export function portBook(free: readonly number[]): (port: string) => number {
  const left = [...free];
  const given = new Map<string, number>();
  return (port) => {
    const known = given.get(port) ?? left.pop();
    if (known === undefined) throw new Error(`no free port left for ${port}`);
    given.set(port, known);
    return known;
  };
}

export const volumeTargets = (service: ComposeService): string[] =>
  (service.volumes ?? []).map((volume) => join('/', volume.split(':')[1] ?? ''));
