import type { Network } from '../engine/network.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import { Backend } from './backend.ts';
import type { SimServer } from './server.ts';
import type { Result, SessionLimits } from './shapes.ts';

/** Where clients find the server that is primary now. */
export interface DatabaseAddress {
  readonly server: SimServer;
}

type Listener = (value: never) => void;
type Query = string | { readonly text: string; readonly values?: readonly unknown[] };

interface Pending {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/** A server that hears nothing from a client whose host is cut off ends the session after this, milliseconds. */
const tcpUserTimeoutMs = 3_000;

/** The surface of a pg client as shipped code uses it, over the simulated network. */
export class SimClient {
  /** What shipped code destroys when it does not want to ask. */
  readonly connection = { stream: { destroy: () => this.#destroyed() } };
  release: (broken?: boolean) => void = () => {};
  readonly #network: Network;
  readonly #host: string;
  readonly #owner: SimProcess | null;
  readonly #life: number;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #pending: Pending[] = [];
  #backend: Backend | null = null;
  #over = false;
  #sentUpTo = 0;
  #heardUpTo = 0;

  private constructor(network: Network, host: string, server: SimServer) {
    this.#network = network;
    this.#host = host;
    this.#owner = server.scheduler.current;
    this.#life = this.#owner?.life ?? 0;
  }

  /** There and back before it can be used. Rejects where no server answers. */
  static async connect(
    at: DatabaseAddress,
    network: Network,
    host: string,
    schema: string,
    limits: SessionLimits,
  ): Promise<SimClient> {
    const { scheduler } = at.server;
    const client = new SimClient(network, host, at.server);
    await new Promise<void>((resolve, reject) => {
      const owner = scheduler.current;
      const late = scheduler.after(1_000, () => reject(new Error('timeout exceeded when trying to connect')));
      scheduler.at(
        network.arrival(host, 'postgres'),
        () => {
          const { server } = at;
          if (!client.#ownerLives) return;
          const backend = server.up ? new Backend(server, schema, limits) : null;
          scheduler.at(
            network.arrival('postgres', host),
            () => {
              if (late.cancelled) return;
              late.cancelled = true;
              if (backend === null || backend.over)
                return reject(Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' }));
              client.#attach(backend);
              resolve();
            },
            owner,
          );
        },
        null,
      );
    });
    return client;
  }

  get over(): boolean {
    return this.#over;
  }

  on(event: string, listener: Listener): this {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return this;
  }

  off(event: string, listener: Listener): this {
    this.#listeners.get(event)?.delete(listener);
    return this;
  }

  query(query: Query, values: readonly unknown[] = []): Promise<Result> {
    const text = typeof query === 'string' ? query : query.text;
    const given = typeof query === 'string' ? values : (query.values ?? values);
    const backend = this.#backend;
    if (this.#over || backend === null) return Promise.reject(terminated());
    return new Promise<Result>((resolve, reject) => {
      const pending = { resolve, reject };
      this.#pending.push(pending);
      const { scheduler } = backend.server;
      this.#sentUpTo = Math.max(this.#sentUpTo, this.#network.arrival(this.#host, 'postgres'));
      scheduler.atSilently(this.#sentUpTo, () =>
        backend.receive({ text, values: given, answer: (result) => this.#answer(pending, result) }),
      );
    });
  }

  end(): Promise<void> {
    this.#destroyed();
    return Promise.resolve();
  }

  get #ownerLives(): boolean {
    return this.#owner === null || this.#owner.life === this.#life;
  }

  #attach(backend: Backend): void {
    this.#backend = backend;
    backend.onTerminated = (error) => this.#hear(() => this.#lost(error));
    backend.onNotice = (code) => this.#hear(() => this.#emit('notice', { severity: 'WARNING', code }));
    backend.onNotification = (payload) => this.#hear(() => this.#emit('notification', { payload }));
  }

  #answer(pending: Pending, result: Result | Error): void {
    this.#hear(() => {
      const index = this.#pending.indexOf(pending);
      if (index < 0) return;
      this.#pending.splice(index, 1);
      if (result instanceof Error) pending.reject(result);
      else pending.resolve(result);
    });
  }

  /** What the server says arrives in order, unless the process is gone. */
  #hear(act: () => void): void {
    const backend = this.#backend;
    if (backend === null || !this.#ownerLives) return;
    this.#heardUpTo = Math.max(this.#heardUpTo, this.#network.arrival('postgres', this.#host));
    backend.server.scheduler.at(this.#heardUpTo, () => this.#over || act(), this.#owner);
  }

  #lost(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    for (const pending of this.#pending.splice(0)) pending.reject(error);
    this.#emit('error', error);
    this.#emit('end', undefined);
  }

  /** This side lets go; the server hears of it, late where the way is cut. */
  #destroyed(): void {
    if (this.#over) return;
    this.#over = true;
    for (const pending of this.#pending.splice(0)) pending.reject(terminated());
    this.disconnectBackend();
    this.#backend?.server.scheduler.after(0, () => this.#emit('end', undefined), this.#owner);
  }

  /** The kernel closes the socket of a process that has ended. */
  disconnectBackend(): void {
    const backend = this.#backend;
    if (backend === null) return;
    const { scheduler } = backend.server;
    const arrives = Math.min(this.#network.arrival(this.#host, 'postgres'), scheduler.now + tcpUserTimeoutMs);
    scheduler.at(
      Math.max(arrives, Math.min(this.#sentUpTo, scheduler.now + tcpUserTimeoutMs)),
      () => {
        backend.terminate('08006', 'the client is gone');
      },
      null,
    );
  }

  #emit(event: string, value: unknown): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(value as never);
  }
}

const terminated = (): Error => new Error('Connection terminated');
