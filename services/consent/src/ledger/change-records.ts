import type { Catalogue, ConsentChanged, RawIdentifiers } from '@entente/contracts';
import { schemaFault, topics } from '@entente/contracts';
import { partitionOf } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import { concernedRecipients, sealForAudiences } from '../identifiers/subject-identifiers.ts';
import type { AudienceKeys } from '../identifiers/subject-identifiers.ts';
import type { LostState } from '../restore/lost-change.ts';
import type { EvidenceRecord } from './evidence-record.ts';
import type { Change } from './fold.ts';

const changedType = 'org.entente.consent.changed.v1';

/** The event without t1, which the database writes (REC-2). */
export type UnstampedChange = Omit<ConsentChanged, 'committedAt'>;

/** The event's data. Throws when it breaks our own schema: a row that no reader accepts would stop its partition. */
export async function changeEvent(
  change: Change,
  catalogue: Catalogue,
  identifiers: RawIdentifiers | null,
  { audienceKeys, log }: { readonly audienceKeys: AudienceKeys; readonly log: Logger },
  now: string,
): Promise<UnstampedChange> {
  const recipients = concernedRecipients(catalogue, change.concerned);
  const event: UnstampedChange = {
    controller: change.command.controller,
    subjectKey: change.subjectKey,
    version: change.version,
    catalogue: catalogue.number,
    direction: change.direction,
    vector: change.vector,
    changes: change.changes,
    recipients: recipients.map(({ id }) => id),
    sealed:
      identifiers === null
        ? (lostStateIn(change)?.sealed ?? {})
        : await sealForAudiences(audienceKeys, identifiers, recipients, (audience) =>
            log.error({ audience }, 'no key for an audience of the catalogue'),
          ),
  };
  const fault = schemaFault(changedType, { ...event, committedAt: now });
  if (fault !== null) throw new Error(`a change that breaks its own schema: ${fault}`);
  return event;
}

/**
 * The ledger's entry: the event without its sealed parts, which would outlive an erasure here, and who asked for it. They
 * are sealed anew from the subject's row when an entry has to be published again (REL-5).
 */
export const ledgerEntry = (
  change: Change,
  { sealed: _sealed, ...event }: UnstampedChange,
  evidence: EvidenceRecord,
): object => {
  const lost = lostStateIn(change);
  return {
    changeId: change.changeId,
    ...event,
    actor: change.command.actor,
    ...evidence,
    // RST-4: which lost change this one makes good for.
    ...(lost === null ? {} : { restored: { changeId: lost.changeId, version: lost.version } }),
  };
};

function lostStateIn({ command, subjectKey }: Change): LostState | null {
  const { event } = command;
  return event?.kind === 'restore' && event.lost.subjectKey === subjectKey ? event.lost : null;
}

/** REC-6: a deny-direction change travels twice, urgent first; every other change in the complete log alone. */
export function outboxRecords(change: Change, event: UnstampedChange): object[] {
  const normal = { lane: 1, topic: topics.changes };
  const lanes = change.direction === 'deny' ? [{ lane: 0, topic: topics.revocations }, normal] : [normal];
  const { traceparent } = change.command;
  return lanes.map(({ lane, topic }) => ({
    event_id: change.changeId,
    aggregatetype: topic,
    aggregateid: change.subjectKey,
    type: changedType,
    payload: event,
    headers: traceparent === undefined ? null : { traceparent },
    lane,
    shard: partitionOf(change.subjectKey),
  }));
}
