import { setTimeout as pause } from 'node:timers/promises';
import {
  EntenteClient,
  ProblemAnswer,
  Unreachable,
  type Person,
  type RecordedChange,
  type ShareToSend,
} from '@entente/local';
import type { Random } from '../../sim/engine/random.ts';
import { monotonicMs } from './clock.ts';
import type { Recording } from './recording.ts';
import { everyPurpose, notice, type Connector, type World } from './world.ts';

export const controller = 'acme';
/** The one purpose shared with each recipient: what its journal shows is then a share for it. */
export const purposeAt: Readonly<Record<string, string>> = {
  'hubspot-crm': 'email-marketing',
  'segment-analytics': 'product-analytics',
  'meta-ads': 'personalised-ads',
};
const fieldsAt: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'hubspot-crm': { plan: 'plus', city: 'Lyon' },
  'segment-analytics': { event: 'Page Viewed', page: '/' },
  'meta-ads': { segment: 'customers' },
};
/** A share that waits longer than this is answered so; it goes on in the connector. */
const shareWaitMs = 400;
/** Batches on their way to one recipient; a pace above what the machine carries would only fill the connector's queue. */
const batchesAtOnce = 4;
const batchSize = 100;
/** Who is told that most of a batch must wait asks again after this: what waits is tried by the connector itself. Milliseconds. */
const restAfterHeldMs = 1_000;

export interface Pace {
  readonly decisionsPerSecond: number;
  /** Of all recipients together. */
  readonly sharesPerSecond: number;
}

export interface Counts {
  decisions: number;
  answered: number;
  unanswered: number;
  shares: number;
  sent: number;
  denied: number;
  /** The gate could not be sure. */
  held: number;
  /** The gate had not been asked yet. */
  queued: number;
}

/** People who change their minds, and a platform team that asks to share everybody all the time. Open loops. */
export class Workload {
  readonly counts: Counts = {
    decisions: 0,
    answered: 0,
    unanswered: 0,
    shares: 0,
    sent: 0,
    denied: 0,
    held: 0,
    queued: 0,
  };
  readonly keys: Map<string, string>;
  readonly #world: World;
  readonly #recording: Recording;
  readonly #random: Random;
  /** One for each instance of the consent service. */
  readonly #people: readonly EntenteClient[];
  readonly #platform: EntenteClient;
  readonly #running = new Set<Promise<void>>();
  readonly #sharing = new Map<string, number>();
  readonly #restUntil = new Map<string, number>();

  constructor(world: World, recording: Recording, random: Random) {
    this.#world = world;
    this.keys = world.keys;
    this.#recording = recording;
    this.#random = random;
    this.#people = world.consentUrls.map(
      (consentUrl) =>
        new EntenteClient({ consentUrl, opsUrl: world.stack.urls.ops }, () => world.stack.token('operator')),
    );
    this.#platform = world.stack.client('platform-team');
  }

  /** Everybody agrees to everything once. */
  async begin(): Promise<void> {
    const queue = [...this.#world.people];
    const worker = async (): Promise<void> => {
      for (let person = queue.shift(); person; person = queue.shift()) await this.#grant(person);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    const unknown = this.#world.people.filter(({ subjectId }) => !this.keys.has(subjectId));
    if (unknown.length > 0) throw new Error(`${unknown.length} people could not agree before the run`);
  }

  /** Resolves when the last question asked before `signal` is answered. */
  async run(pace: Pace, signal: AbortSignal): Promise<void> {
    const { connectors } = this.#world;
    const seconds = (batchSize * connectors.length) / pace.sharesPerSecond;
    const sharing = connectors.map((connector) => this.#every(seconds, signal, () => this.#share(connector)));
    await Promise.all([this.#every(1 / pace.decisionsPerSecond, signal, () => this.#decide()), ...sharing]);
    await Promise.all(this.#running);
  }

  async #every(seconds: number, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
    for (let due = performance.now(); !signal.aborted; due += seconds * 1_000) {
      await pause(Math.max(0, due - performance.now()));
      const done = act();
      this.#running.add(done);
      void done.finally(() => this.#running.delete(done));
    }
  }

  #anyConsent(): EntenteClient {
    return this.#random.pick(this.#people);
  }

  #someone(): Person {
    return this.#random.pick(this.#world.people);
  }

  #decide(): Promise<void> {
    const person = this.#someone();
    if (this.#random.chance(0.45)) return this.#grant(person);
    const purposes = this.#random.chance(0.5) ? undefined : [this.#random.pick(everyPurpose)];
    return this.#withdraw(person, purposes, this.#random.chance(0.3) ? 'gates' : 'none');
  }

  #grant(person: Person): Promise<void> {
    const { subjectId, email, phone } = person;
    const decisions = everyPurpose.map((purpose) => ({ purpose, decision: 'granted' as const }));
    return this.#ask(person, everyPurpose, true, 'none', (op) =>
      this.#anyConsent().grant({ subjectId, notice, decisions, identifiers: { email, phone } }, op),
    );
  }

  #withdraw(person: Person, purposes: readonly string[] | undefined, wait: 'gates' | 'none'): Promise<void> {
    return this.#ask(person, purposes ?? everyPurpose, false, wait, () =>
      this.#anyConsent().withdraw(person.subjectId, purposes, wait),
    );
  }

  async #ask(
    { subjectId }: Person,
    purposes: readonly string[],
    granted: boolean,
    wait: 'gates' | 'none',
    call: (op: string) => Promise<RecordedChange>,
  ): Promise<void> {
    const op = this.#recording.nextOp();
    const key = this.keys.get(subjectId);
    const asked = Object.fromEntries(purposes.map((purpose) => [purpose, granted]));
    const began = monotonicMs();
    this.counts.decisions += 1;
    try {
      const change = await call(op);
      const at = monotonicMs();
      const subject = change.subjectKey;
      this.keys.set(subjectId, subject);
      this.#recording.add(
        { kind: 'api.invoke', at: began, op, client: 'people', controller, call: 'record', subject, asked, wait },
        { kind: 'api.ok', at, op, status: 200, answers: [{ controller, subject, ...answerOf(change) }] },
      );
      this.counts.answered += 1;
    } catch (error) {
      const failed = failureOf(error);
      this.counts.unanswered += 1;
      const subject = key === undefined ? {} : { subject: key };
      this.#recording.add(
        { kind: 'api.invoke', at: began, op, client: 'people', controller, call: 'record', asked, wait, ...subject },
        { ...failed, at: monotonicMs(), op },
      );
    }
  }

  async #share(connector: Connector): Promise<void> {
    const underWay = this.#sharing.get(connector.name) ?? 0;
    if (underWay >= batchesAtOnce || performance.now() < (this.#restUntil.get(connector.name) ?? 0)) return;
    this.#sharing.set(connector.name, underWay + 1);
    await this.#shareBatch(connector);
    this.#sharing.set(connector.name, (this.#sharing.get(connector.name) ?? 1) - 1);
  }

  async #shareBatch({ name, recipient, url }: Connector): Promise<void> {
    const purpose = purposeAt[recipient] ?? '';
    const people = Array.from({ length: batchSize }, () => this.#someone());
    const shares = people.map(({ subjectId }): ShareToSend => ({
      ...{ recipient, purpose, subjectId },
      fields: fieldsAt[recipient] ?? {},
    }));
    const began = monotonicMs();
    this.counts.shares += shares.length;
    const ops = people.map(({ subjectId }) => {
      const op = this.#recording.nextOp();
      const subject = this.keys.get(subjectId);
      this.#recording.add({
        ...{ kind: 'api.invoke', at: began, op, client: 'platform', controller, call: 'share' },
        ...{ process: name, recipient, purpose },
        ...(subject === undefined ? {} : { subject }),
      });
      return op;
    });
    try {
      const results = await this.#platform.share(url, shares, shareWaitMs);
      const at = monotonicMs();
      if (results.filter(({ outcome }) => outcome === 'held').length > batchSize / 2)
        this.#restUntil.set(name, performance.now() + restAfterHeldMs);
      for (const { index, outcome, reason } of results) {
        const op = ops[index] ?? '';
        if (reason === 'queued') {
          this.counts.queued += 1;
          this.#recording.add({ kind: 'api.ok', at, op, status: 200 });
          continue;
        }
        if (outcome !== 'failed') this.counts[outcome] += 1;
        const told = outcome === 'held' ? ('stale' as const) : outcome;
        const share = { outcome: told, ...(reason === undefined ? {} : { reason }) };
        this.#recording.add({ kind: 'api.ok', at, op, status: 200, share });
      }
    } catch (error) {
      const failed = failureOf(error);
      for (const op of ops) this.#recording.add({ ...failed, at: monotonicMs(), op });
    }
  }
}

const answerOf = ({ version, decisions }: RecordedChange) => ({
  version,
  recorded: Object.fromEntries(decisions.map(({ purpose, decision }) => [purpose, decision === 'granted'])),
});

/** A 4xx certainly changed nothing; a 5xx or no answer may have. */
function failureOf(
  error: unknown,
): { kind: 'api.fail'; status: number; reason: string } | { kind: 'api.info'; why: string } {
  if (error instanceof ProblemAnswer && error.status < 500)
    return { kind: 'api.fail', status: error.status, reason: error.reason };
  if (error instanceof ProblemAnswer || error instanceof Unreachable) return { kind: 'api.info', why: error.message };
  throw error;
}
