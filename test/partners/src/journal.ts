import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import type { Stamp } from './clock.ts';
import { isRecord } from './narrow.ts';
import type { Deed, PartnerName } from './partner.ts';

/**
 * One line per fact. `arrived` is stamped at the first byte of the request, `received` when the body was read whole,
 * `effect` in the tick in which the store changed, `answered` just before the first byte of the answer; `aborted` is a
 * request whose body never came whole, with what did come.
 */
export type JournalEntry = Stamp &
  (
    | { readonly t: 'started'; readonly partner: PartnerName; readonly pid: number }
    | {
        readonly t: 'arrived';
        readonly id: string;
        readonly method: string;
        readonly path: string;
        readonly port: number;
        /** This process may have noticed the byte so many nanoseconds late. */
        readonly lateNs: string;
      }
    | {
        readonly t: 'received';
        readonly id: string;
        readonly op: string;
        readonly bytes: number;
        readonly asks: readonly Deed[];
      }
    | {
        readonly t: 'aborted';
        readonly id: string;
        readonly op: string;
        readonly bytes: number;
        readonly body: string;
        readonly asks: readonly Deed[];
      }
    | { readonly t: 'effect'; readonly id: string; readonly op: string; readonly effects: readonly Deed[] }
    | {
        readonly t: 'answered';
        readonly id: string;
        readonly op: string;
        /** null = the connection was reset instead. */
        readonly status: number | null;
        readonly tookMs: number;
        readonly faults: readonly string[];
      }
    | { readonly t: 'clock'; readonly advanceMs: number }
  );

/** An entry as it stands in the file: `seq` counts lines from 0 without gaps, across restarts. */
export type JournalLine = JournalEntry & { readonly seq: number };

const newline = 0x0a;

/**
 * An append-only JSONL file. A line is handed to the operating system before `append` returns, so a killed process
 * loses nothing it has answered; with `fsync` the same holds for a killed host.
 */
export class Journal {
  readonly file: string;
  readonly #fd: number;
  readonly #fsync: boolean;
  /** Byte offset at which each line starts. */
  readonly #starts: number[] = [];
  #size = 0;

  private constructor(file: string, fd: number, fsync: boolean) {
    this.file = file;
    this.#fd = fd;
    this.#fsync = fsync;
  }

  /** Opens or creates the file, drops a torn last line and replays what is there. */
  static open(file: string, fsync: boolean, replay: (line: JournalLine) => void): Journal {
    const journal = new Journal(file, openSync(file, 'a+'), fsync);
    journal.#load(replay);
    return journal;
  }

  get lines(): number {
    return this.#starts.length;
  }

  /** The byte range of the lines from `seq` on; undefined when there are none yet. */
  range(seq: number): { readonly start: number; readonly end: number } | undefined {
    const start = this.#starts[seq];
    return start === undefined ? undefined : { start, end: this.#size - 1 };
  }

  append(...entries: readonly JournalEntry[]): void {
    let chunk = '';
    for (const entry of entries) {
      const line = `${JSON.stringify({ seq: this.#starts.length, ...entry })}\n`;
      this.#starts.push(this.#size);
      this.#size += Buffer.byteLength(line);
      chunk += line;
    }
    const bytes = Buffer.from(chunk);
    let written = 0;
    while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    if (this.#fsync) fsyncSync(this.#fd);
  }

  close(): void {
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }

  #load(replay: (line: JournalLine) => void): void {
    const total = fstatSync(this.#fd).size;
    const block = Buffer.alloc(1 << 20);
    let rest = Buffer.alloc(0);
    for (let at = 0; at < total;) {
      const count = readSync(this.#fd, block, 0, block.length, at);
      if (count === 0) break;
      at += count;
      let text = Buffer.concat([rest, block.subarray(0, count)]);
      for (let end = text.indexOf(newline); end >= 0; end = text.indexOf(newline)) {
        const line: unknown = JSON.parse(text.toString('utf8', 0, end));
        if (!isJournalLine(line)) throw new Error(`${this.file} line ${this.#starts.length + 1} is not a journal line`);
        this.#starts.push(this.#size);
        this.#size += end + 1;
        replay(line);
        text = text.subarray(end + 1);
      }
      rest = text;
    }
    // A process killed inside a write may leave half a line: it was never answered for.
    if (this.#size < total) ftruncateSync(this.#fd, this.#size);
  }
}

export const isJournalLine = (value: unknown): value is JournalLine =>
  isRecord(value) &&
  typeof value['seq'] === 'number' &&
  typeof value['t'] === 'string' &&
  typeof value['ms'] === 'number';
