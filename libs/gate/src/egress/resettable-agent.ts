import type { RequestOptions } from 'node:http';
import { Agent } from 'node:https';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

/** A connection nobody waits for any more is still sought for this long. */
const connectLimitMs = 10_000;

/** The TCP connection below each TLS one: Node resets only what it knows as TCP. */
const tcpBelow = new WeakMap<Duplex, Socket>();

/**
 * Ends a connection that a request was written to, in such a way that the kernel drops what it has not sent. A plain close
 * leaves it sending for minutes: over a line that was cut and heals, a revocation given up would reach the partner after a
 * newer one, and a share after its window (DLV-3).
 */
export function resetConnection(socket: Socket): void {
  if (socket.destroyed) return;
  (tcpBelow.get(socket) ?? socket).resetAndDestroy();
  // Until TCP's own end is told, TLS over it looks alive, and the agent would hand it out again.
  socket.destroy();
}

/** TLS over a TCP connection made before it: Node dies of one that is still trying a name's addresses under TLS. */
export class ResettableHttpsAgent extends Agent {
  readonly #connecting = new Set<Socket>();

  override createConnection(options: RequestOptions, done: (err: Error | null, stream: Duplex) => void): undefined {
    const { host, port, lookup } = options;
    const tcp = connect({
      host: host ?? 'localhost',
      port: Number(port),
      noDelay: true,
      timeout: connectLimitMs,
      ...(lookup === undefined ? {} : { lookup }),
    });
    const fail = (err: Error) => done(err, tcp);
    this.#connecting.add(tcp);
    tcp.once('close', () => this.#connecting.delete(tcp));
    tcp.once('error', fail);
    tcp.once('timeout', () => tcp.destroy(new NotConnected('ETIMEDOUT')));
    tcp.once('connect', () => {
      this.#connecting.delete(tcp);
      tcp.off('error', fail).removeAllListeners('timeout').setTimeout(0);
      const onIt = { ...options, socket: tcp };
      const tls = super.createConnection(onIt) as TLSSocket;
      tcpBelow.set(tls, tcp);
      done(null, tls);
    });
  }

  override destroy(): void {
    super.destroy();
    for (const tcp of this.#connecting) tcp.destroy(new NotConnected('ECONNABORTED'));
  }
}

class NotConnected extends Error {
  override readonly name = 'NotConnected';
  readonly code: 'ETIMEDOUT' | 'ECONNABORTED';

  constructor(code: 'ETIMEDOUT' | 'ECONNABORTED') {
    super(code);
    this.code = code;
  }
}
