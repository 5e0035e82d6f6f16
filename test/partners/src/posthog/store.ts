import { createHash } from 'node:crypto';
import { record, type Json } from '../narrow.ts';
import type { Deed } from '../partner.ts';

/** A captured event on its way through ingestion; taken at once, stored later. */
interface Captured {
  readonly number: number;
  readonly distinctId: string;
  readonly event: string;
  readonly properties: Json;
  /** By the partner's clock. */
  readonly capturedMs: number;
}

interface Person {
  readonly uuid: string;
  readonly distinctId: string;
  readonly properties: Json;
}

interface StoredEvent {
  readonly event: string;
  readonly properties: Json;
  readonly storedMs: number;
}

/** At most one per person for ever: a second request finds it and changes nothing (PostHog source, `AsyncDeletion`). */
export interface EventDeletion {
  readonly uuid: string;
  readonly distinctId: string;
  readonly createdMs: number;
  /** Fault failLater: it never gets done. */
  readonly stuck: boolean;
  verifiedMs: number | undefined;
}

/** Derived from the distinct id, as PostHog does: a person who comes back has the same. */
function uuidOf(distinctId: string): string {
  const hex = createHash('sha256').update(distinctId).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Persons, events and event deletions: a fold over effects. Every distinct id is a person of its own here. */
export class PosthogStore {
  readonly #persons = new Map<string, Person>();
  readonly #events = new Map<string, StoredEvent[]>();
  readonly #underway = new Map<number, Captured>();
  readonly deletions = new Map<string, EventDeletion>();
  #count = 0;

  get underway(): readonly Captured[] {
    return [...this.#underway.values()];
  }

  person(distinctId: string): Person | undefined {
    return this.#persons.get(distinctId);
  }

  byUuid(uuid: string): Person | undefined {
    return [...this.#persons.values()].find((person) => person.uuid === uuid);
  }

  apply(effect: Deed): void {
    const detail = record(effect.detail);
    const [distinctId = ''] = effect.identifiers;
    switch (effect.what) {
      case 'captured':
        this.#count += 1;
        this.#underway.set(this.#count, {
          number: this.#count,
          distinctId,
          event: String(detail['event']),
          properties: record(detail['properties']),
          capturedMs: Number(detail['capturedMs']),
        });
        break;
      case 'ingested':
        this.#ingest(Number(detail['number']), Number(detail['storedMs']));
        break;
      case 'personDeleted':
        this.#persons.delete(distinctId);
        break;
      case 'eventDeletionQueued': {
        const uuid = uuidOf(distinctId);
        const { createdMs, stuck } = detail;
        this.deletions.set(uuid, {
          uuid,
          distinctId,
          createdMs: Number(createdMs),
          stuck: stuck === true,
          verifiedMs: undefined,
        });
        break;
      }
      case 'eventsDeleted': {
        const deletion = this.deletions.get(uuidOf(distinctId));
        if (deletion === undefined) break;
        deletion.verifiedMs = Number(detail['verifiedMs']);
        const left = (this.#events.get(distinctId) ?? []).filter(({ storedMs }) => storedMs > deletion.createdMs);
        this.#events.set(distinctId, left);
        break;
      }
      default:
    }
  }

  state(id?: string): unknown {
    if (id !== undefined)
      return { distinctId: id, person: this.#persons.get(id) ?? null, events: this.#events.get(id) ?? [] };
    return {
      persons: [...this.#persons.values()],
      deletions: [...this.deletions.values()],
      underway: this.#underway.size,
    };
  }

  #ingest(number: number, storedMs: number): void {
    const captured = this.#underway.get(number);
    if (captured === undefined) return;
    this.#underway.delete(number);
    const { distinctId, event, properties } = captured;
    this.#events.set(distinctId, [...(this.#events.get(distinctId) ?? []), { event, properties, storedMs }]);
    const held = this.#persons.get(distinctId);
    const after: Json = { ...record(properties['$set_once']), ...held?.properties, ...record(properties['$set']) };
    const removed = new Set(Array.isArray(properties['$unset']) ? properties['$unset'].map(String) : []);
    this.#persons.set(distinctId, {
      uuid: held?.uuid ?? uuidOf(distinctId),
      distinctId,
      properties: Object.fromEntries(Object.entries(after).filter(([name]) => !removed.has(name))),
    });
  }
}
