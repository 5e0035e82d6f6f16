import { Agent, request } from 'node:http';

/** Keeps connections and asks over them, with as little of its own as the load can have. */
export class Posts {
  readonly #agent: Agent;

  constructor(connections: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** Rejects any answer but 200. @returns its text */
  post(url: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const asking = request(
        url,
        {
          ...{ method: 'POST', agent: this.#agent },
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
        },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.once('error', reject);
          answer.once('end', () => {
            if (answer.statusCode === 200) resolve(Buffer.concat(parts).toString());
            else reject(new Error(`${new URL(url).pathname} was answered with ${answer.statusCode}`));
          });
        },
      );
      asking.once('error', reject);
      asking.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
