import { fork, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The same plain file from src/ and from dist/: it is run, not imported, and nothing in it needs compiling. */
const superviseFile = fileURLToPath(new URL('../../src/infrastructure/supervise.mjs', import.meta.url));

export interface ServerCommand {
  /** Also the name of its log file in the run directory. */
  name: string;
  command: string;
  args: string[];
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
  /** Signal that ends it in order when we stop. */
  stop: NodeJS.Signals;
  /** Signal that ends it when our process has died and its data will be removed. */
  abandon: NodeJS.Signals;
}

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Server {
  pid: number;
  log: string;
  exited: Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
}

type Message =
  | { say: 'ready' }
  | { say: 'running'; id: string; pid: number }
  | { say: 'failed'; id: string; why: string }
  | { say: 'exited'; id: string; code: number | null; signal: NodeJS.Signals | null };

interface Pending {
  running(pid: number): void;
  failed(error: Error): void;
  exited(exit: Exit): void;
}

/** Owns one run directory and every native server of one infrastructure; neither survives this process. */
export class Supervisor {
  private readonly pending = new Map<string, Pending>();
  private readonly pids = new Map<string, number>();
  private readonly closed: Promise<void>;
  private starts = 0;

  private constructor(
    private readonly process: ChildProcess,
    readonly runDirectory: string,
  ) {
    this.closed = new Promise((resolve) => process.once('exit', () => resolve()));
    process.on('message', (message) => this.receive(message as Message));
    void this.closed.then(() => this.endOrphans());
  }

  /** @param access `shared`: servers that run as another user reach their directories in it */
  static async open(runDirectory: string, access: 'shared' | 'private'): Promise<Supervisor> {
    // detached: Ctrl-C in a terminal goes to us, and we decide the order in which things stop.
    const child = fork(superviseFile, [runDirectory, access], {
      detached: true,
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the supervisor of the native servers ended with code ${code}`)));
    });
    return new Supervisor(child, runDirectory);
  }

  run({ name, ...command }: ServerCommand): Promise<Server> {
    this.starts += 1;
    const id = `${name}#${this.starts}`;
    const log = join(this.runDirectory, `${name}.log`);
    return new Promise((resolve, reject) => {
      let exited: (exit: Exit) => void = () => undefined;
      const exit = new Promise<Exit>((settle) => (exited = settle));
      const signal = (name: NodeJS.Signals): void => this.send({ do: 'signal', id, signal: name });
      this.pending.set(id, {
        running: (pid) => resolve({ pid, log, exited: exit, signal }),
        failed: (error) => reject(error),
        exited: (how) => exited(how),
      });
      this.send({ do: 'run', id, log, ...command });
    });
  }

  /** Runs a program to its end; throws with the last lines it wrote unless it succeeded. */
  async runToEnd(command: Omit<ServerCommand, 'stop' | 'abandon'>): Promise<void> {
    const program = await this.run({ ...command, stop: 'SIGKILL', abandon: 'SIGKILL' });
    const { code, signal } = await program.exited;
    if (code !== 0)
      throw new Error(`${command.name} ended with ${signal ?? `code ${code}`}:\n${await lastLines(program.log)}`);
  }

  async finish(): Promise<void> {
    this.send({ do: 'finish' });
    await this.closed;
  }

  private send(message: object): void {
    if (this.process.connected) this.process.send(message);
  }

  private receive(message: Message): void {
    if (message.say === 'ready') return;
    const pending = this.pending.get(message.id);
    if (message.say === 'running') {
      this.pids.set(message.id, message.pid);
      pending?.running(message.pid);
      return;
    }
    this.pids.delete(message.id);
    this.pending.delete(message.id);
    if (message.say === 'failed') pending?.failed(new Error(message.why));
    else pending?.exited({ code: message.code, signal: message.signal });
  }

  /** If somebody killed the supervisor itself, its servers are ours to end. */
  private endOrphans(): void {
    for (const [id, pid] of this.pids) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
      this.pending.get(id)?.exited({ code: null, signal: 'SIGKILL' });
    }
    for (const pending of this.pending.values())
      pending.failed(new Error('the supervisor of the native servers is gone'));
    this.pids.clear();
    this.pending.clear();
  }
}

/** The end of a log file, for an error message. */
export async function lastLines(file: string, lines = 15): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '(it wrote no log)');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
