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
}

export interface StreamCounts {
  sent: number;
  denied: number;
  held: number;
  failed: number;
  /** Calls that got no answer or a refusal as a whole. */
  unanswered: number;
}

/** Per recipient: how many people a batch carries and how often one leaves. 40 shares a second each. */
const batchSize = 10;
const everyMs = 250;
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
    let turn = 0;
    let due = performance.now();
    while (!this.stopping.signal.aborted) {
      const batch = Array.from(
        { length: batchSize },
        (_, index) => this.subjects[(turn * batchSize + index) % this.subjects.length]!,
      );
      const shares = batch.map((subjectId) => shareOf[target.recipient]!(subjectId, turn));
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
const rounds = 40;

/** Gives everybody's data to one recipient once, so that there is something to withdraw. Returns how many were sent. */
export async function shareOnce(
  client: EntenteClient,
  target: StreamTarget,
  subjects: readonly string[],
  batch = 100,
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
        part.map((id) => ({ ...shareOf[target.recipient]!(id, 0), atLeastVersion: 1 })),
        10_000,
      );
      for (const { index, outcome } of results) {
        if (outcome === 'sent') sent += 1;
        else if (outcome !== 'denied') next.push(part[index]!);
      }
    }
    left = next;
    if (left.length > 0) await pause(250);
  }
  return sent;
}
