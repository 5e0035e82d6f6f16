import { topics } from '@entente/contracts';
import type { HistoryEvent, Vector } from '../history.ts';

/** What a run is made of; every choice in it comes from `choose`, so that equal choices give equal runs. */
export interface RunShape {
  readonly subjects: number;
  /** Grants, shares, withdrawals: rounds of one subject. */
  readonly rounds: number;
  readonly recipients: readonly string[];
  readonly partitions: number;
  /** A whole number in [0, below). */
  readonly choose: (below: number) => number;
}

const controller = 'acme';
const purpose = 'mail';
/** One round is a grant, some shares, a withdrawal, and its way to every partner; in milliseconds. */
const roundMs = 10_000;
const beatMs = 250;
/** Long enough for every hard timeout to have passed before the run is called at rest. */
const settleMs = 7000;

/** A run in which everything went as it must, event by event in no particular order. */
export function lawfulRun(shape: RunShape): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  const run = new Run(shape, events);
  for (let round = 0; round < shape.rounds; round++) {
    for (let subject = 0; subject < shape.subjects; subject++) run.round(round, subject);
  }
  run.rest();
  return events;
}

class Run {
  readonly #shape: RunShape;
  readonly #events: HistoryEvent[];
  readonly #records: { readonly express: HistoryEvent[]; readonly complete: HistoryEvent[] }[];
  readonly #end: number;

  constructor(shape: RunShape, events: HistoryEvent[]) {
    this.#shape = shape;
    this.#events = events;
    this.#records = Array.from({ length: shape.partitions }, () => ({ express: [], complete: [] }));
    this.#end = 1000 + shape.rounds * roundMs;
    for (const recipient of shape.recipients) {
      const process = `${recipient}-1`;
      events.push({ kind: 'process.started', at: 0, process, start: `start-${recipient}` });
      events.push({ kind: 'store', at: 0, store: `gate-${recipient}`, what: 'registered', controller, process });
    }
    this.#beats();
  }

  #beats(): void {
    const { recipients, partitions } = this.#shape;
    for (let at = 500, number = 1; at < this.#end; at += beatMs, number++) {
      const beats = recipients.map((recipient) => [`start-${recipient}`, number] as const);
      for (const beat of beats) {
        this.#events.push({
          kind: 'topic.record',
          at: at + 1,
          topic: topics.gates,
          partition: 0,
          offset: this.#events.length,
          key: beat[0],
          type: 'beat',
          beats: [beat],
          sentAt: at,
        });
      }
      for (let partition = 0; partition < partitions; partition++) {
        this.#append('express', partition, { at: at + 20, key: '~watermark', type: 'watermark', beats });
      }
    }
  }

  #append(lane: 'express' | 'complete', partition: number, record: object): void {
    const topic = lane === 'express' ? topics.revocations : topics.changes;
    this.#records[partition]?.[lane].push({
      kind: 'topic.record',
      topic,
      partition,
      offset: 0,
      ...record,
    } as HistoryEvent);
  }

  round(round: number, number: number): void {
    const { choose, recipients, partitions } = this.#shape;
    const subject = `k1.s${number}`;
    const who = { controller, subject } as const;
    const partition = number % partitions;
    const begin = 1000 + round * roundMs + choose(1000);
    const granted = begin + 2 + choose(20);
    const version = round * 2 + 1;
    this.#change(who, partition, version, granted, { [purpose]: { granted: true } });
    this.#answer(who, version, begin, granted + 1 + choose(5), true);
    for (const recipient of recipients) this.#share(who, recipient, version, granted + 3100 + choose(900), partition);
    const withdrawn = begin + 5000 + choose(500);
    this.#change(who, partition, version + 1, withdrawn, { [purpose]: { granted: false } });
    const strict = choose(2) === 0;
    this.#answer(who, version + 1, withdrawn - 1 - choose(5), withdrawn + 30, false, strict);
    for (const recipient of recipients) this.#revoke(who, recipient, version + 1, withdrawn + 40 + choose(400));
  }

  #change(who: Who, partition: number, version: number, at: number, after: Vector): void {
    const { recipients, choose } = this.#shape;
    const direction = after[purpose]?.granted ? 'grant' : 'deny';
    const named = direction === 'deny' ? recipients : [];
    this.#events.push({ kind: 'db.change', at, ...who, version, direction, after, recipients: named });
    const record = { key: who.subject, type: 'change', controller, version, direction, digest: `d${version}` };
    const published = at + 1 + choose(8);
    if (direction === 'deny') this.#append('express', partition, { ...record, at: published });
    this.#append('complete', partition, { ...record, at: published + choose(3) });
    for (const recipient of recipients) {
      const taken = published + 3 + choose(8);
      this.#events.push({ kind: 'apply', at: taken, store: `gate-${recipient}`, ...who, version });
      if (direction === 'deny') {
        this.#events.push({ kind: 'gate.confirmed', at: taken + 1, start: `start-${recipient}`, ...who, version });
      }
    }
  }

  #answer(who: Who, version: number, asked: number, at: number, granted: boolean, strict = false): void {
    const op = `${who.subject} ${version}`;
    const recorded = { [purpose]: granted };
    const wait = strict ? 'gates' : 'none';
    this.#events.push({
      kind: 'api.invoke',
      at: asked,
      op,
      client: 'web',
      call: 'record',
      ...who,
      asked: recorded,
      wait,
      route: '/v1/consents',
      idempotencyKey: op,
      bodyDigest: op,
    });
    this.#events.push({
      kind: 'api.ok',
      at,
      op,
      status: 200,
      answers: [{ ...who, version, recorded }],
      answerDigest: op,
    });
  }

  #share(who: Who, recipient: string, version: number, at: number, partition: number): void {
    const attempt = `share ${who.subject} ${version} ${recipient}`;
    const process = `${recipient}-1`;
    const to = { ...who, recipient } as const;
    const { choose } = this.#shape;
    this.#events.push({
      kind: 'api.invoke',
      at: at - 5,
      op: attempt,
      client: 'web',
      call: 'share',
      ...to,
      purpose,
      process,
      atLeastVersion: version,
    });
    this.#events.push({ kind: 'gate.decision', at, process, ...to, purpose, decision: 'allow', attempt, version });
    this.#events.push({
      kind: 'egress.start',
      at: at + 1,
      attempt,
      process,
      ...to,
      effect: 'share',
      purpose,
      request: attempt,
      partition,
    });
    const effectAt = at + 3 + choose(10);
    this.#events.push({
      kind: 'partner.request',
      at: at + 2,
      attempt,
      ...to,
      effect: 'share',
      purposes: [purpose],
      request: attempt,
      outcome: 'applied',
      effectAt,
      changed: true,
      key: attempt,
      bodyDigest: attempt,
      answered: true,
    });
    this.#events.push({ kind: 'egress.end', at: at + 20, attempt, how: 'answered', status: 200 });
    this.#events.push({
      kind: 'api.ok',
      at: at + 21,
      op: attempt,
      status: 200,
      share: { outcome: 'sent', decidedOn: version },
    });
  }

  #revoke(who: Who, recipient: string, version: number, at: number): void {
    const attempt = `revoke ${who.subject} ${version} ${recipient}`;
    const to = { ...who, recipient } as const;
    const purposes = [purpose];
    const effectAt = at + 3 + this.#shape.choose(10);
    this.#events.push({
      kind: 'egress.start',
      at,
      attempt,
      process: `${recipient}-1`,
      ...to,
      effect: 'revoke',
      purposes,
      version,
      request: attempt,
    });
    this.#events.push({
      kind: 'partner.request',
      at: at + 2,
      attempt,
      ...to,
      effect: 'revoke',
      purposes,
      version,
      request: attempt,
      outcome: 'applied',
      effectAt,
      changed: true,
      answered: true,
    });
    this.#events.push({ kind: 'egress.end', at: at + 20, attempt, how: 'answered', status: 200 });
    this.#events.push({
      kind: 'tracker.row',
      at: at + 40,
      ...to,
      version,
      status: 'accepted',
      settledAt: at + 22,
      gateClosedAt: at - 10,
      dump: 1,
    });
  }

  rest(): void {
    const { subjects, rounds, recipients, partitions } = this.#shape;
    const at = this.#end + settleMs;
    this.#events.push({ kind: 'mark', at, what: 'quiesced' });
    for (let number = 0; number < subjects && rounds > 0; number++) {
      const who = { controller, subject: `k1.s${number}` } as const;
      const version = rounds * 2;
      this.#events.push({ kind: 'db.state', at: at + 1, ...who, version, vector: { [purpose]: { granted: false } } });
      for (const recipient of recipients) {
        this.#events.push({
          kind: 'store.state',
          at: at + 1,
          store: `gate-${recipient}`,
          ...who,
          version,
          granted: [],
        });
        this.#events.push({ kind: 'partner.state', at: at + 1, ...who, recipient, purposes: [] });
      }
      for (let entry = 1; entry <= version; entry++)
        this.#events.push({ kind: 'db.ledger', at: at + 1, ...who, version: entry });
    }
    for (let partition = 0; partition < partitions; partition++) this.#close(partition, at + 2);
  }

  /** Offsets follow the time of appending; each gate reads its log to the end. */
  #close(partition: number, at: number): void {
    const logs = this.#records[partition];
    if (!logs) return;
    for (const lane of ['express', 'complete'] as const) {
      const records = logs[lane].sort((a, b) => a.at - b.at);
      const topic = lane === 'express' ? topics.revocations : topics.changes;
      records.forEach((record, offset) => this.#events.push({ ...record, offset } as HistoryEvent));
      this.#events.push({ kind: 'topic.ends', at, topic, partition, start: 0, end: records.length });
      if (lane === 'complete') continue;
      for (const recipient of this.#shape.recipients) {
        records.forEach((record, offset) =>
          this.#events.push({
            kind: 'consumer.poll',
            at: record.at + 2,
            store: `gate-${recipient}`,
            topic,
            partition,
            first: offset,
            last: offset,
          }),
        );
      }
    }
  }
}

interface Who {
  readonly controller: string;
  readonly subject: string;
}
