import { createServer, connect, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** What a proxy does with the bytes it is given; one at a time. */
export type LinkFault =
  | { readonly kind: 'slow'; readonly latencyMs: number; readonly jitterMs: number }
  /** Both ends keep their sockets and hear nothing more. */
  | { readonly kind: 'half-open' }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'drip'; readonly bytesPerSecond: number };

interface Pair {
  readonly outer: Socket;
  readonly inner: Socket;
}

/** A port of ours in front of a dependency, whose line can be made bad and good again. */
export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #target: number | undefined;
  #fault: LinkFault | null = null;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (outer) => this.#accept(outer));
  }

  static async listen(): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new TcpProxy(server);
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  leadTo(port: number): void {
    this.#target = port;
  }

  /** In force from the return of this call on. */
  impose(fault: LinkFault): void {
    this.#fault = fault;
    if (fault.kind === 'refuse') this.reset();
    if (fault.kind === 'half-open')
      for (const { outer, inner } of this.#pairs) {
        outer.pause();
        inner.pause();
      }
  }

  /** Connections made while the line was dead stay dead, as they do after a real cut; new ones work. */
  heal(): void {
    const was = this.#fault;
    this.#fault = null;
    if (was?.kind === 'half-open') this.reset();
  }

  /** Ends every connection with RST. */
  reset(): void {
    for (const { outer, inner } of this.#pairs) {
      outer.resetAndDestroy();
      inner.destroy();
    }
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve, reject) => this.#server.close((error) => (error ? reject(error) : resolve())));
  }

  #accept(outer: Socket): void {
    if (this.#fault?.kind === 'refuse' || this.#target === undefined) {
      outer.on('error', ignoreReset);
      outer.resetAndDestroy();
      return;
    }
    const inner = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    const pair = { outer, inner };
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      outer.destroy();
      inner.destroy();
    };
    for (const socket of [outer, inner]) socket.on('error', ignoreReset).on('close', end);
    void this.#carry(outer, inner);
    void this.#carry(inner, outer);
  }

  /** Bytes keep their order; what the line's state is when they arrive decides how they go on. */
  async #carry(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        await this.#delay(chunk.length);
        if (to.destroyed) return;
        if (!to.write(chunk)) await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve));
      }
      to.end();
    } catch {
      // The connection was cut: `close` ends the other half.
      to.destroy();
    }
  }

  async #delay(bytes: number): Promise<void> {
    const fault = this.#fault;
    switch (fault?.kind) {
      case undefined:
      case 'refuse':
        return;
      case 'slow':
        return pause(fault.latencyMs + Math.random() * fault.jitterMs);
      case 'drip':
        return pause((bytes / fault.bytesPerSecond) * 1_000);
      case 'half-open':
        while (this.#fault?.kind === 'half-open') await pause(50);
    }
  }
}

/** A cut line is what a proxy of faults is for; `close` follows and ends the pair. */
const ignoreReset = (): void => undefined;
