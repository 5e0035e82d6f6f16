import { setTimeout as pause } from 'node:timers/promises';
import {
  ProblemAnswer,
  Unreachable,
  type EntenteClient,
  type ShareResult,
  type ShareToSend,
} from '../client/entente-client.ts';

export interface StreamTarget {
  readonly recipient: string;
  readonly url: string;
  /** What it is given of a person, where it is none of the starter catalogue's. */
  readonly share?: Pick<ShareToSend, 'purpose' | 'fields'>;
}

/** How many people of each recipient ask at a time, and how often. */
interface StreamPace {
  readonly batchSize: number;
  readonly everyMs: number;
}

export interface StreamCounts {
  sent: number;
  denied: number;
  held: number;
  failed: number;
  /** Calls that got no answer or a refusal as a whole. */
  unanswered: number;
}

/** 40 shares a second for each recipient. */
const usualPace: StreamPace = { batchSize: 10, everyMs: 250 };
/** A share that is held longer than this is answered as held and goes on in the connector. */
const waitMs = 500;

/** What each kind of recipient is given in the demo. */
const shareOf: Record<string, (subjectId: string, turn: number) => ShareToSend> = {
  'hubspot-crm': (subjectId, turn) => ({
    recipient: 'hubspot-crm',
    purpose: 'email-marketing',
    subjectId,
    fields: { plan: turn % 2 === 0 ? 'free' : 'plus', city: 'Lyon' },
  }),
  'segment-analytics': (subjectId, turn) => ({
    recipient: 'segment-analytics',
    purpose: 'product-analytics',
    subjectId,
    fields: { event: 'Page Viewed', page: `/products/${turn % 40}` },
  }),
  'meta-ads': (subjectId) => ({
    recipient: 'meta-ads',
    purpose: 'personalised-ads',
    subjectId,
    fields: { segment: 'customers' },
  }),
};

/** What a recipient of the starter catalogue is given people for. */
export const sharedPurpose = (recipient: string): string => shareOf[recipient]!('', 0).purpose;

const shareFor = ({ recipient, share }: StreamTarget, subjectId: string, turn: number): ShareToSend =>
  share === undefined ? shareOf[recipient]!(subjectId, turn) : { ...share, recipient, subjectId };

/**
 * A platform team's steady traffic: everybody's data keeps asking to leave, also that of people who have said no. An
 * open loop: a slow answer does not slow the asking down.
 */
export class ShareStream {
  readonly counts: StreamCounts = { sent: 0, denied: 0, held: 0, failed: 0, unanswered: 0 };
  private readonly stopping = new AbortController();
  private readonly running = new Set<Promise<void>>();
  private loops: Promise<void>[] = [];

  constructor(
    private readonly client: EntenteClient,
    private readonly targets: readonly StreamTarget[],
    private readonly subjects: readonly string[],
    private readonly pace = usualPace,
  ) {}

  start(): void {
    this.loops = this.targets.map((target) => this.loop(target));
  }

  /** Stops asking; resolves when the last question is answered. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops);
    await Promise.all(this.running);
  }

  private async loop(target: StreamTarget): Promise<void> {
    const { batchSize, everyMs } = this.pace;
    let turn = 0;
    let due = performance.now();
    while (!this.stopping.signal.aborted) {
      const batch = Array.from(
        { length: batchSize },
        (_, index) => this.subjects[(turn * batchSize + index) % this.subjects.length]!,
      );
      const shares = batch.map((subjectId) => shareFor(target, subjectId, turn));
      const asked = this.ask(target, shares);
      this.running.add(asked);
      void asked.finally(() => this.running.delete(asked));
      turn += 1;
      due += everyMs;
      await pause(Math.max(0, due - performance.now()));
    }
  }

  private async ask(target: StreamTarget, shares: readonly ShareToSend[]): Promise<void> {
    try {
      const results = await this.client.share(target.url, shares, waitMs);
      for (const { outcome } of results) this.counts[outcome] += 1;
    } catch (error) {
      if (!(error instanceof Unreachable || error instanceof ProblemAnswer)) throw error;
      this.counts.unanswered += shares.length;
    }
  }
}

/** How often a share that did not leave is offered again before the demo gives up. */
const usualRounds = 40;

export interface ShareOnceOptions {
  readonly batch?: number;
  readonly rounds?: number;
  /** The version of a person's consents to wait for; the first where nothing is said. */
  readonly version?: (subjectId: string) => number;
  /** Called with the reason of each share that did not leave. */
  readonly failed?: (reason: string) => void;
}

/** Gives everybody's data to one recipient once, so that there is something to withdraw. Returns how many were sent. */
export async function shareOnce(
  client: EntenteClient,
  target: StreamTarget,
  subjects: readonly string[],
  { batch = 100, rounds = usualRounds, version = () => 1, failed = () => {} }: ShareOnceOptions = {},
): Promise<number> {
  let left = [...subjects];
  let sent = 0;
  for (let round = 0; left.length > 0 && round < rounds; round += 1) {
    const next: string[] = [];
    for (let from = 0; from < left.length; from += batch) {
      const part = left.slice(from, from + batch);
      const results: readonly ShareResult[] = await client.share(
        target.url,
        // Taken in a moment ago: a gate that has not heard of them yet would deny them as unknown.
        part.map((id) => ({ ...shareFor(target, id, 0), atLeastVersion: version(id) })),
        10_000,
      );
      for (const { index, outcome, reason } of results) {
        if (outcome === 'sent') sent += 1;
        else {
          failed(reason ?? outcome);
          if (outcome !== 'denied') next.push(part[index]!);
        }
      }
    }
    left = next;
    if (left.length > 0) await pause(250);
  }
  return sent;
}
