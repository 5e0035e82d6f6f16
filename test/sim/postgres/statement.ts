import { Blocked, type Result, type Row, type Session, type Transaction } from './shapes.ts';

/**
 * One statement at work: sees what is committed and what its transaction wrote, locks rows before it changes them. Its own
 * writes count only when it ends, so that one that had to wait for a lock can begin again.
 */
export class Statement {
  readonly backend: Session;
  readonly values: readonly unknown[];
  readonly #transaction: Transaction;
  readonly #writes = new Map<string, Map<string, Row | undefined>>();

  constructor(backend: Session, transaction: Transaction, values: readonly unknown[]) {
    this.backend = backend;
    this.#transaction = transaction;
    this.values = values;
  }

  /** Database milliseconds. */
  get now(): number {
    return this.backend.server.wallMs;
  }

  get transaction(): Transaction {
    return this.#transaction;
  }

  array<T>(position: number): readonly T[] {
    return this.values[position - 1] as readonly T[];
  }

  value<T>(position: number): T {
    return this.values[position - 1] as T;
  }

  json<T>(position: number): T {
    return JSON.parse(this.values[position - 1] as string) as T;
  }

  get<R extends object>(table: string, key: string): R | undefined {
    const name = this.#name(table);
    for (const layer of [this.#writes, this.#transaction.writes]) {
      const rows = layer.get(name);
      if (rows?.has(key)) return rows.get(key) as R | undefined;
    }
    return this.backend.server.table(name).get(key) as R | undefined;
  }

  /** In the order in which the rows were first written. */
  all<R extends object>(table: string): R[] {
    const name = this.#name(table);
    const committed = this.backend.server.table(name);
    const layers = [this.#transaction.writes.get(name), this.#writes.get(name)].filter((layer) => layer !== undefined);
    if (layers.length === 0) return [...committed.values()] as R[];
    const merged = new Map<string, Row | undefined>(committed);
    for (const layer of layers) for (const [key, row] of layer) merged.set(key, row);
    return [...merged.values()].filter((row) => row !== undefined) as R[];
  }

  /** Of what is committed and what its transaction wrote. */
  isEmpty(table: string): boolean {
    const name = this.#name(table);
    const written = this.#transaction.writes.has(name) || this.#writes.has(name);
    return written ? this.all(table).length === 0 : this.backend.server.table(name).size === 0;
  }

  /** FOR UPDATE; throws when another transaction holds it, and the statement begins again later. */
  lock(table: string, key: string): void {
    const name = `${this.#name(table)} ${key}`;
    const { locks } = this.backend.server;
    const holder = locks.get(name);
    if (holder !== undefined && holder !== this.backend) throw new Blocked(name);
    locks.set(name, this.backend);
    this.#transaction.locks.add(name);
  }

  isLockedByAnother(table: string, key: string): boolean {
    const holder = this.backend.server.locks.get(`${this.#name(table)} ${key}`);
    return holder !== undefined && holder !== this.backend;
  }

  put(table: string, key: string, row: object): void {
    this.lock(table, key);
    this.#layer(table).set(key, row as Row);
  }

  delete(table: string, key: string): void {
    this.lock(table, key);
    this.#layer(table).set(key, undefined);
  }

  nextValue(sequence: string): number {
    return this.backend.server.nextValue(this.#name(sequence));
  }

  lastValue(sequence: string): number {
    return this.backend.server.sequences.get(this.#name(sequence)) ?? 0;
  }

  /** The statement has ended: its writes are its transaction's. */
  adopt(): void {
    for (const [name, rows] of this.#writes) {
      const layer = this.#transaction.writes.get(name) ?? new Map<string, Row | undefined>();
      this.#transaction.writes.set(name, layer);
      for (const [key, row] of rows) layer.set(key, row);
    }
  }

  #layer(table: string): Map<string, Row | undefined> {
    const name = this.#name(table);
    let layer = this.#writes.get(name);
    if (layer === undefined) this.#writes.set(name, (layer = new Map<string, Row | undefined>()));
    return layer;
  }

  #name(table: string): string {
    return this.backend.tableName(table);
  }
}

export type Handler = (statement: Statement) => Result;
/** A statement is known by a part of its text that no other has; the longest that fits counts. */
export type Handlers = Readonly<Record<string, Handler>>;
