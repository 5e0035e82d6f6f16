import type { Client } from '@entente/postgres';
import type { Lane } from '../append.ts';

interface Waiting {
  readonly work: () => Promise<void>;
}

/** The connection did not answer in time: whatever stands behind it cannot be relied on any more. */
class ConnectionSilent extends Error {
  override readonly name = 'ConnectionSilent';
}

/** One connection, one statement at a time; what is urgent goes before what is not, however much of that is waiting. */
export class StatementQueue {
  readonly client: Client;
  readonly #waiting: Record<Lane, Waiting[]> = { urgent: [], normal: [] };
  readonly #silenceMs: number;
  #busy = false;

  constructor(client: Client, silenceMs: number) {
    this.client = client;
    this.#silenceMs = silenceMs;
    // Statements report their own failure; without a listener the end of an idle connection would end the process.
    client.on('error', () => this.cut());
  }

  /** Is a statement with the server now? */
  get busy(): boolean {
    return this.#busy;
  }

  /** Has the connection to itself until `work` ends, which must be within `limitMs`; after that the connection is cut. */
  run<T>(lane: Lane, work: (client: Client) => Promise<T>, limitMs = this.#silenceMs): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting[lane].push({ work: () => this.#within(limitMs, work).then(resolve, reject) });
      this.#next();
    });
  }

  /** Ends the connection without asking: its server may not answer. Statements under way reject. */
  cut(): void {
    this.client.connection.stream.destroy();
  }

  #next(): void {
    if (this.#busy) return;
    const next = this.#waiting.urgent.shift() ?? this.#waiting.normal.shift();
    if (next === undefined) return;
    this.#busy = true;
    void next.work().finally(() => {
      this.#busy = false;
      this.#next();
    });
  }

  async #within<T>(limitMs: number, work: (client: Client) => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const silent = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.cut();
        reject(new ConnectionSilent(`the relay’s database did not answer within ${limitMs} ms`));
      }, limitMs);
    });
    try {
      return await Promise.race([work(this.client), silent]);
    } finally {
      clearTimeout(timer);
    }
  }
}
