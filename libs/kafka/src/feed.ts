import { Pause } from './deadline.ts';
import type { InRecord, Log, TP } from './port.ts';

export interface FeedSettings {
  maxBufferedRecords: number;
  maxBufferedBytes: number;
}

/** What one fetch brought of a partition. */
export interface Fetched {
  /** What was asked from. */
  readonly from: bigint;
  /** Where the next fetch goes on: not always behind the last record. */
  readonly end: bigint;
  readonly records: readonly InRecord[];
  readonly highWatermark: bigint;
}

const firstRetryMs = 100;
const lastRetryMs = 1000;
/** Bookkeeping per record counted beside key and value, bytes. */
const recordOverheadBytes = 200;

const sizeOf = (r: InRecord): number => (r.key?.length ?? 0) + (r.value?.length ?? 0) + recordOverheadBytes;

/**
 * Between the fetch loop and the handler of one partition in one epoch: fetching hands over and goes on, the handler is called
 * with whatever has gathered, one call at a time, and again after a failure. So a slow or failing handler delays neither
 * heartbeats nor other partitions, and resume finds records at hand.
 */
export class Feed {
  readonly tp: TP;
  readonly epoch: number;
  /** The end of what was given to the handler. */
  handedOut: bigint | null;
  /** The end of what the handler has finished. */
  position: bigint | null;
  /** The end of what was read of the log: what does not go on from here, or begins before, is not next. */
  readTo: bigint | null;
  highWatermark: bigint | null = null;
  failures = 0;
  paused = false;

  private readonly deliver: (records: InRecord[]) => Promise<void>;
  private readonly log: Log;
  private readonly settings: FeedSettings;
  private readonly retryPause = new Pause();
  private readonly roomPause = new Pause();
  private buffer: InRecord[] = [];
  private bytes = 0;
  private stopped = false;
  private loop: Promise<void> | undefined;
  private readonly before: Promise<void>;
  private readonly onRoom: () => void;

  /** `before` is the end of the partition's calls in earlier epochs: never two at a time. */
  constructor(
    at: { tp: TP; epoch: number; position: bigint | null; before: Promise<void>; onRoom: () => void },
    deliver: (records: InRecord[]) => Promise<void>,
    log: Log,
    settings: FeedSettings,
  ) {
    this.tp = at.tp;
    this.epoch = at.epoch;
    this.position = at.position;
    this.handedOut = at.position;
    this.readTo = at.position;
    this.before = at.before;
    this.onRoom = at.onRoom;
    this.deliver = deliver;
    this.log = log;
    this.settings = settings;
  }

  /** What goes on from, or overlaps, what was read. @returns false once stopped: nothing of it was taken */
  push({ records, end, highWatermark }: Pick<Fetched, 'records' | 'end' | 'highWatermark'>): boolean {
    if (this.stopped) return false;
    this.highWatermark = highWatermark;
    const from = this.readTo ?? 0n;
    if (end > from) this.readTo = end;
    const [first] = records;
    const fresh =
      first === undefined || first.offset >= from ? records : records.filter(({ offset }) => offset >= from);
    for (const record of fresh) this.bytes += sizeOf(record);
    this.buffer = this.buffer.concat(fresh);
    this.run();
    return true;
  }

  get buffered(): number {
    return this.buffer.length;
  }

  get full(): boolean {
    return this.buffer.length >= this.settings.maxBufferedRecords || this.bytes >= this.settings.maxBufferedBytes;
  }

  /** Waits for room, at most this long. */
  async room(maxMs: number): Promise<void> {
    if (this.full) await this.roomPause.sleep(maxMs);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.retryPause.wake();
    this.run();
  }

  /** Calls the handler no more; resolves when the running call has ended. What is buffered is forgotten. */
  stop(): Promise<void> {
    this.stopped = true;
    this.buffer = [];
    this.bytes = 0;
    this.retryPause.wake();
    this.roomPause.wake();
    return this.idle();
  }

  idle(): Promise<void> {
    return this.loop ?? Promise.resolve();
  }

  private run(): void {
    if (this.loop || this.stopped || this.paused || this.buffer.length === 0) return;
    this.loop = this.drain().finally(() => {
      this.loop = undefined;
      this.run();
    });
  }

  private async drain(): Promise<void> {
    await this.before;
    while (!this.stopped && !this.paused && this.buffer.length > 0) {
      const records = this.buffer;
      this.buffer = [];
      this.bytes = 0;
      const end = (records.at(-1)?.offset ?? 0n) + 1n;
      this.handedOut = end;
      this.roomPause.wake();
      this.onRoom();
      if (await this.handOut(records)) this.position = end;
    }
  }

  /** True when the handler has finished these records; false when the feed was stopped before. */
  private async handOut(records: InRecord[]): Promise<boolean> {
    for (let waitMs = firstRetryMs; !this.stopped; waitMs = Math.min(waitMs * 2, lastRetryMs)) {
      try {
        await this.deliver(records);
        this.failures = 0;
        return true;
      } catch (err) {
        this.failures += 1;
        const fields = {
          err,
          ...this.tp,
          offset: String(records[0]?.offset),
          count: records.length,
          tries: this.failures,
        };
        this.log.warn(fields, 'records will be handed out again');
      }
      if (!this.stopped) await this.retryPause.sleep(waitMs);
    }
    return false;
  }
}
