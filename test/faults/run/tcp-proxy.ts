import { createServer, connect, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Carriage } from './lines/carriage.ts';
import { concerns, seen, type LinkFault, type Trap, type Way } from './lines/link-fault.ts';

/** One connection through the proxy. */
export interface Line {
  /** From the client. */
  readonly outer: Socket;
  /** To the server. */
  readonly inner: Socket;
  /** The first bytes the client sent: Postgres and Kafka clients name themselves in them. */
  greeting: string;
}

/** Told of everything a client sends, at the moment at which it comes, whatever the line does with it then. */
export interface Onlooker {
  sent(chunk: Buffer): void;
  ended(): void;
}

export interface ProxyOptions {
  /** Asked once for each connection. */
  readonly watch?: (line: Line) => Onlooker;
}

const greetingBytes = 512;

/** A port of ours in front of a dependency, whose line can be made bad and good again. */
export class TcpProxy {
  readonly #server: Server;
  readonly #watch: ProxyOptions['watch'];
  readonly #lines = new Set<Line>();
  #targets: readonly number[] = [];
  #turn = 0;
  #fault: LinkFault | null = null;
  #hits = 0;
  readonly #traps = new Set<Trap>();

  private constructor(server: Server, { watch }: ProxyOptions) {
    this.#server = server;
    this.#watch = watch;
    server.on('connection', (outer) => this.#accept(outer));
  }

  static async listen(options: ProxyOptions = {}): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new TcpProxy(server, options);
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  /** How many connections or pieces of data the fault in force has struck, or the last one did. */
  get hits(): number {
    return this.#hits;
  }

  /** New connections go to these in turn. */
  leadTo(...ports: readonly number[]): void {
    this.#targets = ports;
  }

  /** In force from the return of this call on. */
  impose(fault: LinkFault): void {
    this.#fault = fault;
    this.#hits = 0;
    const struck = this.#concerned();
    if (fault.kind === 'refuse') this.#reset(struck);
    if (fault.kind === 'half-open' && fault.way === undefined)
      for (const { outer, inner } of struck) {
        this.#hits += 1;
        outer.pause();
        inner.pause();
      }
  }

  /** Connections made while the line was dead stay dead, as they do after a real cut; new ones work. */
  heal(): void {
    const was = this.#fault;
    const struck = this.#concerned();
    this.#fault = null;
    if (was?.kind === 'half-open')
      for (const { outer, inner } of struck) {
        outer.resetAndDestroy();
        inner.destroy();
      }
  }

  /** Lies in wait for one piece of data; see `Trap`. @returns takes it away */
  set(trap: Trap): () => void {
    this.#traps.add(trap);
    return () => void this.#traps.delete(trap);
  }

  /** Ends every connection with RST. */
  reset(): void {
    this.#reset([...this.#lines]);
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve, reject) => this.#server.close((error) => (error ? reject(error) : resolve())));
  }

  #concerned(): Line[] {
    return [...this.#lines].filter((line) => this.#fault !== null && concerns(this.#fault, line.greeting));
  }

  #reset(lines: readonly Line[]): void {
    for (const { outer, inner } of lines) {
      this.#hits += 1;
      outer.resetAndDestroy();
      inner.destroy();
    }
  }

  #accept(outer: Socket): void {
    const target = this.#targets[(this.#turn += 1) % Math.max(1, this.#targets.length)];
    const refused = this.#fault?.kind === 'refuse' && this.#fault.only === undefined;
    if (refused || target === undefined) {
      this.#hits += 1;
      outer.on('error', ignoreReset);
      outer.resetAndDestroy();
      return;
    }
    const inner = connect({ port: target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const line: Line = { outer, inner, greeting: '' };
    this.#lines.add(line);
    const onlooker = this.#watch?.(line);
    const end = (): void => {
      if (this.#lines.delete(line)) onlooker?.ended();
      outer.destroy();
      inner.destroy();
    };
    for (const socket of [outer, inner]) socket.on('error', ignoreReset).on('close', end);
    this.#carry(line, 'there', onlooker);
    this.#carry(line, 'back', undefined);
  }

  /**
   * Bytes keep their order; what the line's state is when they arrive decides how they go on. While nothing is wrong they go
   * on in the tick in which they come: a line of ours must cost the system as little as it can.
   */
  #carry(line: Line, way: Way, onlooker: Onlooker | undefined): void {
    const [from, to] = way === 'there' ? [line.outer, line.inner] : [line.inner, line.outer];
    const carriage = new Carriage(
      () => this.#faultFor(line, way),
      () => (this.#hits += 1),
    );
    let waiting: Promise<void> | null = null;
    const cut = (): void => {
      line.outer.resetAndDestroy();
      line.inner.destroy();
    };
    const pass = (chunk: Buffer): void => {
      if (to.destroyed || to.write(chunk)) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
    const slowly = async (chunk: Buffer): Promise<void> => {
      const passed = await this.#past(line, way, chunk);
      const carried = passed === null ? null : await carriage.carry(passed);
      if (carried === null) cut();
      else pass(carried);
    };
    from.on('data', (chunk: Buffer) => {
      onlooker?.sent(chunk);
      if (way === 'there' && line.greeting.length < greetingBytes)
        line.greeting += chunk.toString('latin1', 0, greetingBytes);
      if (waiting === null && this.#traps.size === 0 && this.#faultFor(line, way) === null) return pass(chunk);
      const mine: Promise<void> = (waiting ?? Promise.resolve())
        .then(() => slowly(chunk))
        // The connection was cut meanwhile: `close` ends the other half.
        .catch(cut)
        .finally(() => {
          if (waiting === mine) waiting = null;
        });
      waiting = mine;
    });
    from.on('end', () => void (waiting ?? Promise.resolve()).then(() => to.end()));
  }

  #faultFor(line: Line, way: Way): LinkFault | null {
    const fault = this.#fault;
    if (fault === null || line.outer.destroyed) return null;
    return concerns(fault, line.greeting) && (fault.way ?? way) === way ? fault : null;
  }

  /** What goes on of it past the traps; null = nothing, and the line is cut. */
  async #past(line: Line, way: Way, chunk: Buffer): Promise<Buffer | null> {
    for (const trap of this.#traps) {
      if (trap.way !== way || !concerns(trap, line.greeting) || !seen(trap.sees, chunk)) continue;
      this.#traps.delete(trap);
      const first = Math.floor(chunk.length * trap.lets);
      if (first > 0 && way === 'there') line.inner.write(chunk.subarray(0, first));
      // Long enough for what was let through to be taken, short for whoever waits.
      if (first > 0) await pause(trap.thenMs ?? 0);
      await trap.spring();
      return null;
    }
    return chunk;
  }
}

/** A cut line is what a proxy of faults is for; `close` follows and ends the pair. */
const ignoreReset = (): void => undefined;
