import {
  decodeEvent,
  idPattern,
  UndecodableRecord,
  watermarkKey,
  type ControllerId,
  type ReceivedEvent,
} from '@entente/contracts';
import type { ConsentChanged, SubjectKey } from '@entente/contracts';
import type { InRecord } from '@entente/kafka';
import { acceptedTraceparent } from '@entente/observability';
import type { Unreadable } from '../store/quarantine.ts';

export interface DecodedBatch {
  /** In the order of the log. */
  readonly changes: readonly ConsentChanged[];
  /** When the broker appended each of them (t2), milliseconds. */
  readonly appendedAt: readonly number[];
  /** The trace each of them belongs to, where there is one. */
  readonly traceparents: readonly (string | undefined)[];
  readonly unreadable: readonly Unreadable[];
  /** Persons an unreadable record was about: nothing is shared about them until an event that can be read. */
  readonly closed: readonly SubjectKey[];
}

const subjectKeyPattern = new RegExp(idPattern.subjectKey);

/** One record, or why it cannot be read. */
export function decoded(record: InRecord): ReceivedEvent | Unreadable {
  try {
    return decodeEvent(record.headers, record.value);
  } catch (error) {
    if (!(error instanceof UndecodableRecord)) throw error;
    return { record, reason: error.message };
  }
}

/** The records of one partition of either log, as far as they concern this controller. */
export function decodeChanges(records: readonly InRecord[], controller: ControllerId): DecodedBatch {
  const changes: ConsentChanged[] = [];
  const appendedAt: number[] = [];
  const traceparents: (string | undefined)[] = [];
  const unreadable: Unreadable[] = [];
  for (const record of records) {
    if (record.key?.toString() === watermarkKey) continue;
    const result = decoded(record);
    if ('record' in result) unreadable.push(result);
    else if (result.type === 'org.entente.consent.changed.v1' && result.data.controller === controller) {
      changes.push(result.data);
      appendedAt.push(record.timestamp);
      traceparents.push(acceptedTraceparent(result.traceparent));
    }
  }
  const keys = unreadable.map(({ record }) => record.key?.toString() ?? '');
  return {
    changes,
    appendedAt,
    traceparents,
    unreadable,
    closed: [...new Set(keys.filter((key) => subjectKeyPattern.test(key)))] as SubjectKey[],
  };
}
