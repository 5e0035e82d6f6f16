import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type FirstByte, PartnerClock, stamp } from './clock.ts';
import { controlServer } from './control.ts';
import { type Desk, exchange } from './exchange.ts';
import { FaultSet, isOutage } from './faults.ts';
import { Journal } from './journal.ts';
import { Lateness } from './lateness.ts';
import type { Partner } from './partner.ts';
import { type Rate, RateWindow } from './rate-window.ts';
import { router } from './routes.ts';

export interface ServeOptions {
  readonly journal: string;
  /** The address both servers listen on; by default this machine alone can reach them. */
  readonly host?: string;
  readonly port?: number;
  readonly controlPort?: number;
  /** fsync after each line: survives a killed host, not only a killed process. */
  readonly fsync?: boolean;
  /** The partner's real rate limit; absent = none. */
  readonly rate?: Rate;
  /** Seed of the faults' probabilities. */
  readonly seed?: number;
}

export interface RunningServer {
  readonly url: string;
  readonly controlUrl: string;
  stop(): Promise<void>;
}

const loopback = '127.0.0.1';
/** How long requests in flight may take to finish once the server is told to stop. */
const stopGraceMs = 2_000;

const urlOf = (server: Server): string => {
  const address = server.address() as AddressInfo;
  return `http://${loopback}:${address.port}`;
};

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  await once(server, 'listening');
}

/** When the first byte of the request that is now arriving on a socket came. */
class FirstBytes {
  readonly #at = new WeakMap<Socket, { readonly stamp: FirstByte; claimed: boolean }>();
  readonly #lateness: Lateness;

  constructor(lateness: Lateness) {
    this.#lateness = lateness;
  }

  now(): FirstByte {
    return { ...stamp(), lateNs: this.#lateness.lately().toString() };
  }

  /** Before the HTTP parser sees it: the parser calls the request handler from within its own data listener. */
  watch(socket: Socket): void {
    socket.prependListener('data', () => {
      if (!this.#at.has(socket)) this.#at.set(socket, { stamp: this.now(), claimed: false });
    });
  }

  /** The stamp for the request that just began; undefined when its bytes were counted for a request already. */
  claim(socket: Socket): FirstByte | undefined {
    const seen = this.#at.get(socket);
    if (seen === undefined || seen.claimed) return undefined;
    seen.claimed = true;
    return seen.stamp;
  }

  /** The answer is out: the next byte begins another request. */
  forget(socket: Socket): void {
    this.#at.delete(socket);
  }
}

/** Serves one partner's contract, its journal and its control API until stopped. */
export async function serve(partner: Partner, options: ServeOptions): Promise<RunningServer> {
  const { host = loopback } = options;
  const clock = new PartnerClock();
  const journal = Journal.open(options.journal, options.fsync ?? false, (line) => {
    if (line.t === 'effect') for (const effect of line.effects) partner.apply(effect, line.ms);
    if (line.t === 'clock') clock.advance(line.advanceMs);
  });
  const boot = journal.lines;
  journal.append({ t: 'started', partner: partner.name, pid: process.pid, ...stamp() });
  const stopping = new AbortController();
  const window = options.rate === undefined ? undefined : new RateWindow(options.rate);
  const desk: Desk = {
    partner,
    journal,
    faults: new FaultSet(options.seed ?? 1),
    clock,
    window,
    stopping: stopping.signal,
  };

  const find = router(partner.operations);
  const sockets = new Set<Socket>();
  const lateness = new Lateness();
  const ticking = lateness.start();
  const firstBytes = new FirstBytes(lateness);
  const running = new Set<Promise<void>>();
  let count = 0;

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    const url = new URL(`http://${loopback}${request.url ?? '/'}`);
    count += 1;
    const route = find(request.method ?? '', url.pathname);
    const arrival = { id: `${boot}-${count}`, at: firstBytes.claim(socket) ?? firstBytes.now(), socket, route, url };
    response.on('close', () => firstBytes.forget(socket));
    const done = exchange(desk, arrival, request, response).catch((error: unknown) => {
      socket.resetAndDestroy();
      if (!stopping.signal.aborted) process.stderr.write(`${partner.name}: ${String(error)}\n`);
    });
    running.add(done);
    void done.finally(() => running.delete(done));
  };

  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 300_000 }, onRequest);
  server.on('connection', (socket: Socket) => {
    if (desk.faults.outage() !== undefined) {
      socket.resetAndDestroy();
      return;
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    firstBytes.watch(socket);
  });
  server.on('clientError', (_error: Error, socket: Socket) => {
    // A connection that breaks while idle or inside a body is no request of its own.
    const at = firstBytes.claim(socket);
    if (at === undefined) return void socket.destroy();
    count += 1;
    journal.append({
      t: 'arrived',
      id: `${boot}-${count}`,
      method: '',
      path: '(not HTTP)',
      port: socket.remotePort ?? 0,
      ...at,
    });
    socket.destroy();
  });
  await listen(server, options.port ?? 0, host);
  const url = urlOf(server);
  const port = Number(new URL(url).port);

  /** An outage cuts what is open as well; `refuse` also stops listening until it is lifted. */
  const faultsChanged = async (): Promise<void> => {
    const outage = desk.faults.list().find(isOutage);
    if (outage !== undefined) for (const socket of sockets) socket.resetAndDestroy();
    if (desk.faults.refusing() && server.listening) server.close();
    if (!desk.faults.refusing() && !server.listening) await listen(server, port, host);
  };
  const control = controlServer(desk, { url: () => url, faultsChanged });
  await listen(control, options.controlPort ?? 0, host);

  const stop = async (): Promise<void> => {
    if (server.listening) server.close();
    stopping.abort();
    const grace = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, stopGraceMs);
    await Promise.all(running);
    clearTimeout(grace);
    server.closeAllConnections();
    control.close();
    control.closeAllConnections();
    clearInterval(ticking);
    journal.close();
  };
  return { url, controlUrl: urlOf(control), stop };
}
