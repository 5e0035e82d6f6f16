import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { LinkFault, Trap } from './link-fault.ts';
import type { Order, Word } from './orders.ts';

/** A line to one server, as the harness sees it. */
export interface Line {
  readonly name: string;
  /** Where clients are to go. */
  readonly port: number;
  /** New connections go to these in turn. */
  leadTo(...ports: readonly number[]): void;
  /** In force when it resolves. */
  impose(fault: LinkFault): Promise<void>;
  /** @returns how much the fault struck */
  heal(): Promise<number>;
  /** Ends every connection with RST. */
  reset(): void;
  /** @returns takes the trap away */
  set(trap: Trap): () => void;
}

/** A process of ours that holds some lines. */
export class LineHost {
  readonly lines: readonly Line[];
  readonly #process: ChildProcess;
  readonly #answers = new Map<number, (word: Word) => void>();
  #ids = 0;

  private constructor(child: ChildProcess, ports: Readonly<Record<string, number>>) {
    this.#process = child;
    this.lines = Object.entries(ports).map(([name, port]) => this.#line(name, port));
    child.on('message', (message) => {
      const word = message as Word;
      if ('id' in word) this.#answers.get(word.id)?.(word);
    });
  }

  /** @param file where what passes is noted, if it is to be: see `TapLine` */
  static async start(names: readonly string[], file = ''): Promise<LineHost> {
    const child = fork(fileURLToPath(new URL('line-process.ts', import.meta.url)), [file, ...names], {
      execArgv: ['--no-warnings'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [word] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`a process of lines ended with code ${String(code)}`);
      }),
    ])) as [Word];
    if (child.pid !== undefined) hurry(child.pid);
    if (word.say !== 'listening') throw new Error('a process of lines does not say where it listens');
    return new LineHost(child, word.ports);
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
  }

  #line(name: string, port: number): Line {
    return {
      name,
      port,
      leadTo: (...ports) => this.#send({ do: 'lead', line: name, ports }),
      impose: async (fault) => void (await this.#ask((id) => ({ do: 'impose', id, line: name, fault }))),
      heal: async () => {
        const word = await this.#ask((id) => ({ do: 'heal', id, line: name }));
        return word.say === 'healed' ? word.hits : 0;
      },
      reset: () => this.#send({ do: 'reset', line: name }),
      set: (trap) => this.#trap(name, trap),
    };
  }

  #trap(line: string, { spring, ...trap }: Trap): () => void {
    this.#ids += 1;
    const id = this.#ids;
    this.#answers.set(id, () => {
      this.#answers.delete(id);
      void spring().finally(() => this.#send({ do: 'release', id }));
    });
    this.#send({ do: 'trap', id, line, trap });
    return () => {
      this.#answers.delete(id);
      this.#send({ do: 'untrap', id });
      this.#send({ do: 'release', id });
    };
  }

  #ask(order: (id: number) => Order): Promise<Word> {
    this.#ids += 1;
    const id = this.#ids;
    return new Promise((resolve) => {
      this.#answers.set(id, (word) => {
        this.#answers.delete(id);
        resolve(word);
      });
      this.#send(order(id));
    });
  }

  #send(order: Order): void {
    if (this.#process.connected) this.#process.send(order);
  }
}

/**
 * Everything the system says passes a line: on a busy machine its turn must not be what takes the time (measured: 3 % of a
 * core, and 85 % of the time waiting for one). Who may not raise it goes on without.
 */
function hurry(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_HIGH);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code !== 'ERR_SYSTEM_ERROR') throw error;
  }
}
