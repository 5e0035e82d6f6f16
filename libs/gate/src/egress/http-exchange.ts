import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { isDestinationRefusal, type DestinationGuard, type DestinationRefusal } from './destination.ts';
import { ResettableHttpsAgent, resetConnection } from './resettable-agent.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** At most `maxResponseBytes`; a longer answer is no answer. */
  readonly body: Buffer;
}

/**
 * `not-sent`: no byte left this process. `forbidden`: none will to this destination, until a setting changes. `unclear`:
 * bytes left and no full answer came.
 */
export type Sent =
  | { readonly kind: 'answered'; readonly response: HttpResponse }
  | { readonly kind: 'not-sent'; readonly why: string }
  | { readonly kind: 'forbidden'; readonly why: DestinationRefusal }
  | { readonly kind: 'unclear'; readonly why: string };

export interface ConnectionSetting {
  readonly guard: DestinationGuard;
  readonly maxResponseBytes: number;
  /** Certificates trusted beside the system's, PEM. */
  readonly ca?: string;
}

/** Partners close idle connections after 5 s or more; closing first avoids writing into one that is going away. */
const idleMs = 4000;

/** One attempt as the egress drives it: connect, then write once, then one answer. */
export interface AttemptExchange {
  /** Settles exactly once, whatever happens. */
  readonly done: Promise<Sent>;
  whenConnected(act: () => void): void;
  write(headers: Readonly<Record<string, string>>, body: string | Buffer | undefined): void;
  abandon(why: string): void;
}

/** Where attempts come from. */
export interface PartnerConnections {
  open(method: string, url: URL): AttemptExchange;
  close(): void;
}

/**
 * Warm keep-alive connections to judged addresses; TLS is always verified, redirects are never followed, and no proxy of
 * the environment is heeded: it would look names up again.
 */
export class Connections implements PartnerConnections {
  readonly #setting: ConnectionSetting;
  readonly #http: HttpAgent;
  readonly #https: ResettableHttpsAgent;
  readonly #open = new Set<Exchange>();

  constructor(setting: ConnectionSetting) {
    this.#setting = setting;
    const warm = { keepAlive: true, timeout: idleMs, scheduling: 'lifo', lookup: setting.guard.lookup } as const;
    this.#http = new HttpAgent(warm);
    // Said outright: NODE_TLS_REJECT_UNAUTHORIZED and --tls-min-v1.0 change what Node does by itself.
    this.#https = new ResettableHttpsAgent({
      ...warm,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(setting.ca === undefined ? {} : { ca: setting.ca }),
    });
  }

  /** A request without a byte written: Node holds even the head back until the exchange is told to write. */
  open(method: string, url: URL): Exchange {
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { method, agent: this.#https })
        : httpRequest(url, { method, agent: this.#http });
    const exchange = new Exchange(request, this.#setting.maxResponseBytes);
    const forget = () => this.#open.delete(exchange);
    this.#open.add(exchange);
    exchange.done.then(forget, forget);
    return exchange;
  }

  close(): void {
    for (const exchange of this.#open) exchange.abandon('closed');
    this.#http.destroy();
    this.#https.destroy();
  }
}

/** One attempt: connect, then write once, then read one answer. */
export class Exchange implements AttemptExchange {
  /** Settles exactly once, whatever happens. */
  readonly done: Promise<Sent>;
  readonly #request: ClientRequest;
  readonly #maxResponseBytes: number;
  #settle: (sent: Sent) => void = () => {};
  #fail: (fault: unknown) => void = () => {};
  #written = false;
  #settled = false;

  constructor(request: ClientRequest, maxResponseBytes: number) {
    this.#request = request;
    this.#maxResponseBytes = maxResponseBytes;
    this.done = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    request.on('error', (err) => {
      const why = codeOf(err);
      if (isDestinationRefusal(why)) this.#finish({ kind: 'forbidden', why });
      this.abandon(why);
    });
    request.on('close', () => this.abandon('connection closed without an answer'));
    request.on('response', (response) => this.#receive(response));
  }

  /**
   * Calls back, in the tick in which the connection is ready to take bytes at once; not at all when there is none.
   * What it throws (a header no request may carry, a `build` that fails) rejects `done`, and nothing is written.
   */
  whenConnected(act: () => void): void {
    const ready = () => {
      try {
        act();
      } catch (err) {
        this.#fail(err);
        this.abandon('not written');
      }
    };
    this.#request.once('socket', (socket: Socket) => {
      if (socket instanceof TLSSocket && (socket.connecting || !socket.authorized)) socket.once('secureConnect', ready);
      else if (socket.connecting) socket.once('connect', ready);
      else ready();
    });
  }

  /** Head and body go to the connection in this tick. */
  write(headers: Readonly<Record<string, string>>, body: string | Buffer | undefined): void {
    for (const [name, value] of Object.entries(headers)) this.#request.setHeader(name, value);
    // Node gives a body of DELETE no length of its own, and the partner would read the next request out of it.
    if (body !== undefined) this.#request.setHeader('content-length', Buffer.byteLength(body));
    this.#written = true;
    this.#request.end(body);
  }

  /** Cuts the connection: what was not written never will be, and what the kernel has not sent yet it drops. */
  abandon(why: string): void {
    const underway = this.#written && !this.#settled;
    this.#finish(this.#written ? { kind: 'unclear', why } : { kind: 'not-sent', why });
    if (underway && this.#request.socket) resetConnection(this.#request.socket);
    // One that is still being made is for nobody else: its handshake may be what it waited for.
    if (!this.#written) this.#request.shouldKeepAlive = false;
    this.#request.destroy();
  }

  #receive(response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > this.#maxResponseBytes) this.abandon('answer too long');
      else chunks.push(chunk);
    });
    response.on('error', (err) => this.abandon(codeOf(err)));
    response.on('end', () => {
      if (!response.complete) return this.abandon('answer cut off');
      const { statusCode: status = 0 } = response;
      this.#finish({
        kind: 'answered',
        response: { status, headers: headersOf(response), body: Buffer.concat(chunks) },
      });
    });
  }

  #finish(sent: Sent): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle(sent);
  }
}

/** A stable word, never the error's text, which may quote an address or a body. */
const codeOf = (err: Error): string => ('code' in err && typeof err.code === 'string' ? err.code : err.name);

function headersOf(response: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers))
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  return headers;
}
