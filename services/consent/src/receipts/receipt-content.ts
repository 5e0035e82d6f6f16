import { noticeRef } from '@entente/contracts';
import type {
  Catalogue,
  Cause,
  ConsentChanged,
  ConsentReceipt,
  ConsentRecord,
  Decision,
  Notice,
  PurposeChange,
  PurposeState,
  ReceiptEvent,
  ReceiptParty,
  ReceiptProcessing,
  ReceiptState,
} from '@entente/contracts';
import type { Actor } from '../ledger/command.ts';
import type { ReceiptProfile } from './receipt-profile.ts';

/** A ledger entry's content: the change as it was committed, and who asked for it. */
export type LedgerEntryContent = Omit<ConsentChanged, 'sealed'> & { readonly changeId: string; readonly actor: Actor };

const profileUri = 'https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr';
const recordProfileUri = 'https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr';
const contextUri = 'https://w3id.org/dpv/dpv.jsonld';

/** ISO/IEC TS 27560 shaped content of a receipt, from what was recorded and the catalogue it was recorded under. */
export function receiptContent(
  entry: LedgerEntryContent,
  catalogue: Catalogue,
  profile: ReceiptProfile,
): ConsentReceipt {
  const processing = entry.changes.map((change) => processingOf(entry, change, catalogue, profile));
  const named = new Set([...processing.flatMap((one) => one.recipient_third_parties), ...entry.recipients]);
  return {
    '@context': contextUri,
    schema_version: profileUri,
    receipt_id: `chg_${entry.changeId}`,
    record_id: `${entry.subjectKey}/${entry.version}`,
    pii_principal_id: entry.subjectKey,
    processing,
    party_identification: [
      controllerParty(entry, profile),
      ...[...named].sort().map((id) => recipientParty(id, catalogue)),
    ],
  };
}

/**
 * the record of one person, each purpose as it was last put to them, with all that happened to it, oldest first.
 * @param entries oldest first, at least one
 */
export function consentRecord(
  entries: readonly LedgerEntryContent[],
  catalogueOf: (number: number) => Catalogue,
  profile: ReceiptProfile,
): ConsentRecord {
  const last = entries.at(-1);
  if (last === undefined) throw new Error('a record of nothing');
  const events = new Map<string, ReceiptEvent[]>();
  const latest = new Map<string, { readonly entry: LedgerEntryContent; readonly change: PurposeChange }>();
  for (const entry of entries)
    for (const change of entry.changes) {
      const { purpose } = change;
      events.set(purpose, [...(events.get(purpose) ?? []), eventOf(entry, change, entry.vector[purpose])]);
      // Who says no is shown nothing anew; what they had been shown before stays what the record tells.
      const isPut = entry.vector[purpose]?.notice !== undefined;
      if (isPut || !latest.has(purpose)) latest.set(purpose, { entry, change });
    }
  const processing = [...latest]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([purpose, { entry, change }]) => ({
      ...processingOf(entry, change, catalogueOf(entry.catalogue), profile),
      event: events.get(purpose) ?? [],
    }));
  const named = new Set(processing.flatMap((one) => one.recipient_third_parties));
  const catalogue = catalogueOf(last.catalogue);
  return {
    '@context': contextUri,
    schema_version: recordProfileUri,
    record_id: `${last.subjectKey}/${last.version}`,
    pii_principal_id: last.subjectKey,
    processing,
    party_identification: [
      controllerParty(last, profile),
      ...[...named].sort().map((id) => recipientParty(id, catalogue)),
    ],
  };
}

function processingOf(
  entry: LedgerEntryContent,
  change: PurposeChange,
  { purposes, notices }: Catalogue,
  profile: ReceiptProfile,
): ReceiptProcessing {
  const state = entry.vector[change.purpose];
  const purpose = purposes.get(change.purpose);
  const notice = state?.notice === undefined ? undefined : notices.get(state.notice);
  const refused = new Set<string>(state?.refused);
  return {
    purpose: change.purpose,
    purpose_type: purpose === undefined ? 'unknown' : `${purpose.party}-party`,
    lawful_basis: purpose?.legalBasis ?? 'unknown',
    privacy_notice: noticeText(state, notice),
    language: Object.keys(notice?.text ?? { en: '' }).sort(),
    pii_information: (purpose?.dataCategories ?? []).map((pii_type) => ({ pii_type, pii_optional: true })),
    pii_controllers: [entry.controller],
    collection_method: `${entry.actor.client}, ${entry.actor.route}`,
    storage_locations: profile.storageLocations,
    retention_period: profile.retentionPeriod,
    jurisdiction: profile.jurisdiction,
    recipient_third_parties: (notice?.purposes[change.purpose] ?? []).filter((id) => !refused.has(id)),
    withdrawal_method: profile.withdrawalMethod,
    privacy_rights: profile.privacyRights,
    event: [eventOf(entry, change, state)],
  };
}

/** Notice and version with the hash of what was shown (G-2), so that the exact text can be found again. */
const noticeText = (state: PurposeState | undefined, notice: Notice | undefined): string =>
  notice === undefined
    ? (state?.notice ?? 'none shown')
    : `${noticeRef(notice.id, notice.version)} sha-256:${notice.contentHash}`;

function eventOf(entry: LedgerEntryContent, change: PurposeChange, state: PurposeState | undefined): ReceiptEvent {
  return {
    event_time: entry.committedAt,
    validity_duration: state?.validUntil === undefined ? 'until withdrawn' : `until ${state.validUntil}`,
    entity_id: byThePerson.has(change.cause) ? entry.subjectKey : entry.controller,
    event_type: `${change.from ?? 'never asked'} to ${change.to}, by ${change.cause}`,
    event_state: stateOf(change),
  };
}

/** A signal (GPC and the like) is the person's own word, given by their browser or device. */
const byThePerson: ReadonlySet<Cause> = new Set(['person', 'signal', 'erasure']);

/** R-3; who ended a consent is kept apart: the person withdraws, anybody else revokes. */
export function stateOf({ from, to, cause }: Omit<PurposeChange, 'purpose'>): ReceiptState {
  const states: Readonly<Record<Decision, ReceiptState>> = {
    granted: from === 'granted' ? 'dpv:RenewedConsentGiven' : 'dpv:ConsentGiven',
    denied: 'dpv:ConsentRefused',
    withdrawn: byThePerson.has(cause) ? 'dpv:ConsentWithdrawn' : 'dpv:ConsentRevoked',
    objected: 'entente:Objected',
    expired: 'dpv:ConsentExpired',
    erased: 'dpv:ConsentInvalidated',
  };
  return states[to];
}

const controllerParty = ({ controller }: LedgerEntryContent, profile: ReceiptProfile): ReceiptParty => ({
  party_id: controller,
  party_name: profile.name,
  party_address: profile.address,
  party_contact: profile.contact,
  party_type: 'pii_controller',
});

/** A recipient is reached through the controller, which chose it. */
const recipientParty = (id: string, { recipients }: Catalogue): ReceiptParty => ({
  party_id: id,
  party_name: [...recipients.values()].find((recipient) => recipient.id === id)?.name ?? id,
  party_address: 'through the controller',
  party_contact: 'through the controller',
  party_type: 'third_party',
});
