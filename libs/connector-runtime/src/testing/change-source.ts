import {
  cloudEventHeaders,
  emptyVector,
  encodeEvent,
  seal,
  type Audience,
  type ConsentChanged,
  type ConsentVector,
  type KeyRing,
  type PurposeId,
  type PurposeState,
} from '@entente/contracts';
import { partitionOf, type InRecord, type TP } from '@entente/kafka';
import { systemClock } from '@entente/observability';
import { randomUUID } from 'node:crypto';
import { notice, recipient } from './test-catalogue.ts';
import { controller, type TestPerson } from './test-people.ts';

const type = 'org.entente.consent.changed.v1';

/** Changes as the consent service would make them, and records as the logs would bring them. */
export class ChangeSource {
  readonly #audience: Audience;
  readonly #keys: KeyRing;
  readonly #purposes: readonly PurposeId[];
  #offset = 0n;

  constructor(audience: Audience, keys: KeyRing, purposes: readonly PurposeId[]) {
    this.#audience = audience;
    this.#keys = keys;
    this.#purposes = purposes;
  }

  /** What the consent service would seal of this person for the connector. */
  sealed({ identifiers }: TestPerson): Promise<string> {
    return seal(this.#keys, identifiers);
  }

  /**
   * The person may be used for `allowed` and for nothing else.
   * @param before their vector until now
   */
  async changed(
    person: TestPerson,
    version: number,
    allowed: readonly PurposeId[],
    before: ConsentVector,
    withIdentifiers: boolean,
  ): Promise<ConsentChanged> {
    const since = new Date(systemClock.now()).toISOString();
    const vector = Object.fromEntries(
      this.#purposes.map((purpose): [PurposeId, PurposeState] => [
        purpose,
        { decision: allowed.includes(purpose) ? 'granted' : 'withdrawn', notice, since },
      ]),
    ) as ConsentVector;
    const reduces = this.#purposes.some(
      (purpose) => vector[purpose]?.decision !== 'granted' && (version > 1 || before[purpose]),
    );
    return {
      controller,
      subjectKey: person.subjectKey,
      version,
      catalogue: 1,
      direction: reduces ? 'deny' : 'grant',
      vector,
      changes: [],
      recipients: [recipient],
      committedAt: since,
      sealed: withIdentifiers ? { [this.#audience]: await this.sealed(person) } : {},
    };
  }

  /** REC-8. */
  async erased(person: TestPerson, version: number, before: ConsentVector): Promise<ConsentChanged> {
    return {
      ...(await this.changed(person, version, [], before, false)),
      direction: 'deny',
      vector: emptyVector,
      changes: Object.entries(before).map(([purpose, { decision }]) => ({
        ...{ purpose: purpose as PurposeId, from: decision, to: 'erased', cause: 'erasure' },
      })),
    };
  }

  record(topic: string, change: ConsentChanged): { tp: TP; record: InRecord } {
    const attributes = {
      id: randomUUID(),
      source: 'urn:entente:consent',
      type,
      subject: change.subjectKey,
      time: change.committedAt,
    } as const;
    return this.#delivered(topic, change.subjectKey, encodeEvent(type, change), cloudEventHeaders(attributes));
  }

  /** A record of that type with any value. */
  raw(topic: string, key: string, value: string): { tp: TP; record: InRecord } {
    return this.#delivered(topic, key, Buffer.from(value), { ce_type: type });
  }

  #delivered(
    topic: string,
    key: string,
    value: InRecord['value'],
    headers: InRecord['headers'],
  ): { tp: TP; record: InRecord } {
    const tp = { topic, partition: partitionOf(key) };
    const [offset, timestamp] = [this.#offset++, systemClock.now()];
    return { tp, record: { ...tp, offset, timestamp, key: Buffer.from(key), value, headers } };
  }
}
