import type { SimClient } from './client.ts';

interface Waiting {
  readonly resolve: (client: SimClient) => void;
  readonly reject: (error: Error) => void;
}

/** Done on a new connection before it is lent. */
export type OnConnect = (client: SimClient) => Promise<void>;

const connectTimeoutMs = 5_000;

/** The surface of a pg pool as shipped code uses it. */
export class SimPool {
  readonly #open: () => Promise<SimClient>;
  readonly #max: number;
  readonly #onConnect: OnConnect | undefined;
  readonly #idle: SimClient[] = [];
  readonly #waiting: Waiting[] = [];
  #made = 0;

  constructor(open: () => Promise<SimClient>, max: number, onConnect?: OnConnect) {
    this.#open = open;
    this.#max = max;
    this.#onConnect = onConnect;
  }

  on(): this {
    return this;
  }

  async connect(): Promise<SimClient> {
    for (let client = this.#idle.pop(); client !== undefined; client = this.#idle.pop()) {
      if (!client.over) return this.#lent(client);
      this.#made -= 1;
    }
    if (this.#made < this.#max) return this.#opened();
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { resolve: (client) => resolve(this.#lent(client)), reject };
      this.#waiting.push(waiting);
      setTimeout(() => {
        const index = this.#waiting.indexOf(waiting);
        if (index < 0) return;
        this.#waiting.splice(index, 1);
        reject(new Error('timeout exceeded when trying to connect'));
      }, connectTimeoutMs);
    });
  }

  async query(...query: Parameters<SimClient['query']>): ReturnType<SimClient['query']> {
    const client = await this.connect();
    try {
      return await client.query(...query);
    } finally {
      client.release(client.over);
    }
  }

  async end(): Promise<void> {
    for (const client of this.#idle.splice(0)) await client.end();
  }

  async #opened(): Promise<SimClient> {
    this.#made += 1;
    try {
      const client = await this.#open();
      client.on('error', () => undefined);
      await this.#onConnect?.(client).catch((error: unknown) => {
        void client.end();
        throw error;
      });
      return this.#lent(client);
    } catch (error) {
      this.#made -= 1;
      this.#serveNext();
      throw error;
    }
  }

  #lent(client: SimClient): SimClient {
    let lent = true;
    client.release = (broken = false) => {
      if (!lent) return;
      lent = false;
      if (broken || client.over) {
        this.#made -= 1;
        void client.end();
        return this.#serveNext();
      }
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(client);
      else next.resolve(client);
    };
    return client;
  }

  #serveNext(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) this.#opened().then(next.resolve, next.reject);
  }
}
