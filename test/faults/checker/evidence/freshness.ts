import { topics } from '@entente/contracts';
import type { OfSubject, TopicRecord } from '../history.ts';
import type { ByKind } from './by-kind.ts';
import { BySubject } from './by-subject.ts';
import { entry, lastWhile } from './intervals.ts';

/** A beat that came back: `sentAt` is what a lease counts from (GATE-2), `at` when the watermark was appended. */
interface Proof {
  readonly at: number;
  /** Sending of the newest beat that had come back by then. */
  readonly sentAt: number;
  readonly record: TopicRecord;
}

/** Freshness proofs as the topic tap saw them: beats on the gates topic that came back in watermarks. */
export class Freshness {
  readonly #proofs = new Map<string, Proof[]>();
  readonly #partitions = new BySubject<number>();
  /** Without watermarks in the history nothing can be said of leases. */
  readonly watched: boolean;

  constructor(events: ByKind) {
    const sent = new Map<string, number>();
    const watermarks: TopicRecord[] = [];
    for (const record of events.of('topic.record')) {
      if (record.type === 'beat') {
        for (const [start, number] of record.beats ?? []) sent.set(`${start} ${number}`, record.sentAt ?? record.at);
      } else if (record.type === 'watermark') watermarks.push(record);
      else if (record.type === 'change' && record.controller !== undefined) {
        this.#partitions.entry({ controller: record.controller, subject: record.key }, () => record.partition);
      }
    }
    for (const record of watermarks) this.#note(record, sent);
    this.watched = watermarks.length > 0;
  }

  #note(record: TopicRecord, sent: ReadonlyMap<string, number>): void {
    if (record.topic !== topics.revocations) return;
    for (const [start, number] of record.beats ?? []) {
      const sentAt = sent.get(`${start} ${number}`);
      if (sentAt === undefined) continue;
      const proofs = entry(this.#proofs, `${start} ${record.partition}`, () => []);
      const newest = proofs.at(-1);
      proofs.push(newest && newest.sentAt > sentAt ? { ...newest, at: record.at } : { at: record.at, sentAt, record });
    }
  }

  /** Partition of a subject, where a change of it was seen in a log. */
  partitionOf(subject: OfSubject): number | undefined {
    return this.#partitions.get(subject);
  }

  /** The best proof this start can have held on this partition at `at`. */
  proofAt(start: string, partition: number, at: number): Proof | undefined {
    return lastWhile(this.#proofs.get(`${start} ${partition}`) ?? [], (proof) => proof.at <= at);
  }
}
