import { Worker } from 'node:worker_threads';

/** One connection as the server saw it; times are milliseconds since the Unix epoch, fractional. */
export interface SeenConnection {
  readonly openedAt: number;
  readonly firstByteAt: number | null;
  readonly bytes: number;
  readonly text: string;
  /** How the other side ended it, as far as it has been read; null = not yet. */
  readonly ended: 'closed' | 'reset' | null;
}

/**
 * A TCP server on its own thread, so that it sees when bytes really leave while this thread is busy. With `tls` it speaks TLS,
 * after holding the handshake back for `handshakeDelayMs`.
 */
export interface RawServerSetting {
  /** What it answers once a request has arrived; null = nothing. */
  readonly answer: string | null;
  /** As `tls.createServer` takes it. */
  readonly tls?: {
    readonly key: string;
    readonly cert: string;
    readonly minVersion?: 'TLSv1.1';
    readonly maxVersion?: 'TLSv1.1';
    readonly ciphers?: string;
  };
  /** Between the bytes of the answer; absent = at once. */
  readonly dripMs?: number;
  readonly handshakeDelayMs?: number;
  /** Without `tls`: what has come is left in the kernel for this long, as on a line that is cut and heals. */
  readonly readAfterMs?: number;
}

const program = `
  const { workerData, parentPort } = require('node:worker_threads');
  const net = require('node:net');
  const tls = require('node:tls');
  const now = () => performance.timeOrigin + performance.now();
  const seen = [];
  const serve = (socket) => {
    const connection = { openedAt: now(), firstByteAt: null, bytes: 0, text: '', ended: null };
    seen.push(connection);
    socket.on('error', (err) => { if (err.code === 'ECONNRESET') connection.ended = 'reset'; });
    socket.on('end', () => { connection.ended ??= 'closed'; });
    socket.on('data', (chunk) => {
      connection.firstByteAt ??= now();
      connection.bytes += chunk.length;
      connection.text += chunk.toString('latin1');
      if (workerData.answer === 'reset') socket.destroy();
      else if (workerData.answer !== null && complete(connection)) send(socket, workerData.answer);
    });
  };
  const complete = (connection) => {
    const head = connection.text.lastIndexOf('\\r\\n\\r\\n');
    const length = Number(/content-length: (\\d+)/i.exec(connection.text)?.[1] ?? 0);
    return head >= 0 && connection.text.length >= head + 4 + length;
  };
  const send = (socket, answer) => {
    if (workerData.dripMs === undefined) return socket.write(answer);
    let next = 0;
    const timer = setInterval(() => (next < answer.length ? socket.write(answer[next++]) : clearInterval(timer)), workerData.dripMs);
    socket.on('close', () => clearInterval(timer));
  };
  let server;
  if (workerData.tls) {
    const inner = tls.createServer(workerData.tls, serve);
    inner.on('tlsClientError', () => {});
    server = net.createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => {});
      setTimeout(() => { socket.resume(); inner.emit('connection', socket); }, workerData.handshakeDelayMs ?? 0);
    });
  } else
    server = net.createServer({ pauseOnConnect: true }, (socket) => {
      serve(socket);
      setTimeout(() => socket.resume(), workerData.readAfterMs ?? 0);
    });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage({ port: server.address().port }));
  parentPort.on('message', () => parentPort.postMessage({ seen }));
`;

export class RawServer {
  readonly #worker: Worker;
  readonly #secure: boolean;
  #port = 0;

  private constructor(worker: Worker, secure: boolean) {
    this.#worker = worker;
    this.#secure = secure;
  }

  static async start(setting: RawServerSetting): Promise<RawServer> {
    const server = new RawServer(new Worker(program, { eval: true, workerData: setting }), setting.tls !== undefined);
    server.#port = ((await server.#next()) as { port: number }).port;
    return server;
  }

  url(path = '/v1/events'): URL {
    return new URL(path, `${this.#secure ? 'https' : 'http'}://127.0.0.1:${this.#port}`);
  }

  async seen(): Promise<readonly SeenConnection[]> {
    this.#worker.postMessage('tell');
    return ((await this.#next()) as { seen: SeenConnection[] }).seen;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #next(): Promise<unknown> {
    return new Promise((resolve) => this.#worker.once('message', resolve));
  }
}
