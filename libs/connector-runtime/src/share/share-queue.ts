import type { PartnerLimits } from '../partner/definition.ts';
import type { ShareRequest } from './share-request.ts';

interface Queued {
  readonly request: Pick<ShareRequest, 'purpose' | 'subjectKey'>;
  readonly bytes: number;
}

/** Around each item's fields: identifiers, names, the stamp. */
const envelopeBytes = 600;

/**
 * One recipient's shares that are in no batch yet: a queue for each person, served in turns, so that one person's thousands stand
 * behind the others' few. A batch costs as much as it holds, however long the queue.
 */
export class ShareQueue<S extends Queued> {
  readonly #limits: PartnerLimits;
  readonly #apart: boolean;
  /** What may travel together → person → shares; both in the order of their turns. */
  readonly #lanes = new Map<string, Map<string, S[]>>();
  #size = 0;

  constructor({ limits, shareBy }: { readonly limits: PartnerLimits; readonly shareBy: 'recipient' | 'purpose' }) {
    this.#limits = limits;
    this.#apart = shareBy === 'purpose';
  }

  get size(): number {
    return this.#size;
  }

  push(share: S): void {
    const { subjectKey } = share.request;
    const lane = this.#laneOf(share);
    const persons = this.#lanes.get(lane) ?? new Map<string, S[]>();
    this.#lanes.set(lane, persons);
    const own = persons.get(subjectKey);
    if (own) own.push(share);
    else persons.set(subjectKey, [share]);
    this.#size += 1;
  }

  /** Of one that has ended; it may be in a batch already. */
  remove(share: S): void {
    const lane = this.#laneOf(share);
    const persons = this.#lanes.get(lane);
    const own = persons?.get(share.request.subjectKey) ?? [];
    const place = own.indexOf(share);
    if (place === -1) return;
    own.splice(place, 1);
    this.#size -= 1;
    if (own.length === 0) persons?.delete(share.request.subjectKey);
    if (persons?.size === 0) this.#lanes.delete(lane);
  }

  #laneOf({ request }: S): string {
    return this.#apart ? request.purpose : '';
  }

  /** What the partner takes in one request: as many as it allows, never above its body limit, yet at least one. */
  nextBatch(): S[] {
    const next = this.#lanes.entries().next().value;
    if (next === undefined) return [];
    const [lane, persons] = next;
    const batch: S[] = [];
    let bytes = 0;
    // Whoever has more to send is put behind the others, and may be met again in the same batch.
    for (const [person, shares] of persons) {
      const [first] = shares;
      if (first === undefined || batch.length >= this.#limits.shareBatch) break;
      bytes += first.bytes + envelopeBytes;
      if (batch.length > 0 && bytes > (this.#limits.shareBytes ?? Infinity)) break;
      batch.push(first);
      shares.shift();
      persons.delete(person);
      if (shares.length > 0) persons.set(person, shares);
    }
    this.#size -= batch.length;
    this.#lanes.delete(lane);
    if (persons.size > 0) this.#lanes.set(lane, persons);
    return batch;
  }

  /** Everything, in no order that matters: nothing of it is sent. */
  drain(): S[] {
    const all = [...this.#lanes.values()].flatMap((persons) => [...persons.values()].flat());
    this.#lanes.clear();
    this.#size = 0;
    return all;
  }
}
