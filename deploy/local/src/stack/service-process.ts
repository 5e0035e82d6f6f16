import { setTimeout as pause } from 'node:timers/promises';
import { lastLines, type Server, type Supervisor } from '../infrastructure/supervisor.ts';

export interface ServiceDefinition {
  readonly name: string;
  /** Compiled entry file. */
  readonly entry: string;
  readonly args?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Answers 200 once the service can do its work. */
  readonly readyUrl: string;
}

/** How long a service may take from its start to ready, in milliseconds, on a loaded machine. */
const readyTimeoutMs = 60_000;

/** One of our services as a process of its own, with what a test or a demo does to it: kill it, stop it, start it again. */
export class ServiceProcess {
  private server: Server | undefined;
  private logFile: string | undefined;
  private end: string | undefined;

  constructor(
    readonly definition: ServiceDefinition,
    private readonly supervisor: Supervisor,
  ) {}

  get name(): string {
    return this.definition.name;
  }

  get pid(): number | undefined {
    return this.server?.pid;
  }

  /** What it has said, over all its starts; undefined before the first. */
  get log(): string | undefined {
    return this.logFile;
  }

  /** How it ended the last time: by which signal, or with which exit code. */
  get lastEnd(): string | undefined {
    return this.end;
  }

  /** Added to its environment from the next start on. */
  reconfigure(environment: NodeJS.ProcessEnv): void {
    Object.assign(this.definition.env, environment);
  }

  /** Starts the process; resolves when it runs, not yet when it is ready. */
  async start(): Promise<void> {
    const { name, entry, args = [], env } = this.definition;
    const server = await this.supervisor.run({
      name,
      command: process.execPath,
      args: ['--enable-source-maps', entry, ...args],
      env,
      stop: 'SIGTERM',
      abandon: 'SIGKILL',
    });
    this.server = server;
    this.logFile = server.log;
    void server.exited.then(({ code, signal }) => {
      if (this.server !== server) return;
      this.server = undefined;
      this.end = signal ?? `code ${code}`;
    });
  }

  /** Throws with the service's last log lines when it exits or does not become ready in time. */
  async ready(): Promise<void> {
    const deadline = performance.now() + readyTimeoutMs;
    const log = this.server?.log;
    for (;;) {
      if (!this.server) throw new Error(`${this.name} ended before it was ready:\n${log ? await lastLines(log) : ''}`);
      if (await isReady(this.definition.readyUrl)) return;
      if (performance.now() > deadline)
        throw new Error(
          `${this.name} is not ready after ${readyTimeoutMs / 1000} s:\n${await lastLines(this.server.log)}`,
        );
      await pause(100);
    }
  }

  /** Sends a signal; after SIGKILL or SIGTERM resolves when the process is gone. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const server = this.server;
    if (!server) return;
    server.signal(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await server.exited;
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false; // Not listening yet is the ordinary case here; the caller's deadline makes it an error.
  }
}
