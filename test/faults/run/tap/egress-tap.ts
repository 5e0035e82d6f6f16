import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LinkFault, Way } from '../lines/link-fault.ts';
import type { Order, Word } from './tap-line.ts';

/** The tap's process as the harness sees it. */
export class EgressTap {
  readonly file: string;
  readonly #process: ChildProcess;
  readonly #ports: Readonly<Record<string, number>>;
  readonly #answers = new Map<number, (word: Word) => void>();
  #ids = 0;

  private constructor(file: string, child: ChildProcess, ports: Readonly<Record<string, number>>) {
    this.file = file;
    this.#process = child;
    this.#ports = ports;
    child.on('message', (message) => {
      const word = message as Word;
      if ('id' in word) this.#answers.get(word.id)?.(word);
    });
  }

  static async start(file: string, taps: readonly string[]): Promise<EgressTap> {
    const child = fork(fileURLToPath(new URL('tap-process.ts', import.meta.url)), [file, ...taps], {
      execArgv: ['--no-warnings'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [word] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the egress tap ended with code ${String(code)}`);
      }),
    ])) as [Word];
    if (word.say !== 'listening') throw new Error('the egress tap does not say where it listens');
    return new EgressTap(file, child, word.ports);
  }

  portOf(tap: string): number {
    const port = this.#ports[tap];
    if (port === undefined) throw new Error(`there is no tap ${tap}`);
    return port;
  }

  lead(tap: string, port: number): void {
    this.#send({ do: 'lead', tap, port });
  }

  async impose(tap: string, fault: LinkFault): Promise<void> {
    await this.#ask((id) => ({ do: 'impose', id, tap, fault }));
  }

  /** @returns what the fault struck */
  async heal(tap: string): Promise<number> {
    const word = await this.#ask((id) => ({ do: 'heal', id, tap }));
    return word.say === 'healed' ? word.hits : 0;
  }

  /** Holds the next data in that direction, of which `lets` goes on, until `spring` has done its work. */
  trap(tap: string, way: Way, lets: number, spring: () => Promise<void>): () => void {
    this.#ids += 1;
    const id = this.#ids;
    this.#answers.set(id, () => {
      this.#answers.delete(id);
      void spring().finally(() => this.#send({ do: 'release', id }));
    });
    this.#send({ do: 'trap', id, tap, way, lets });
    return () => {
      this.#answers.delete(id);
      this.#send({ do: 'untrap', id });
    };
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
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
