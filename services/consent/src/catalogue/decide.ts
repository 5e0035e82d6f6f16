import { noticeRef } from '@entente/contracts';
import type { Audience, Catalogue, Notice, Purpose, PurposeId, Recipient, RecipientId } from '@entente/contracts';
import { basisFaults, consistencyFaults } from './consistency.ts';

/** A notice as handed in; the service computes its content hash. */
export type NoticeDraft = Omit<Notice, 'contentHash'>;

export interface CatalogueCommand {
  readonly purposes: readonly Purpose[];
  readonly notices: readonly NoticeDraft[];
  readonly recipients: readonly Recipient[];
}

interface CatalogueFault {
  readonly pointer: string;
  readonly detail: string;
}

/** What really differs from what is held. */
interface CatalogueDifference {
  readonly purposes: readonly Purpose[];
  readonly notices: readonly Notice[];
  readonly recipients: readonly Recipient[];
}

export type CatalogueDecision =
  | { readonly kind: 'changed'; readonly difference: CatalogueDifference }
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'refused';
      readonly code: string;
      readonly status: 409 | 422;
      readonly errors: readonly CatalogueFault[];
    };

export interface CatalogueContext {
  readonly held: Catalogue;
  /** Audiences this service has keys for (SEAL-1). */
  readonly audiences: ReadonlySet<Audience>;
  readonly hashOf: (notice: NoticeDraft) => string;
}

/** REC-9: the whole of one catalogue transaction, or nothing of it. */
export function decideCatalogueChange(command: CatalogueCommand, context: CatalogueContext): CatalogueDecision {
  const errors = [
    ...duplicates(command),
    ...referenceFaults(command, context),
    ...consistencyFaults(command, context.held),
  ];
  if (errors.length > 0) return { kind: 'refused', code: 'catalogue-change-not-possible', status: 422, errors };
  const rebased = basisFaults(command, context.held);
  if (rebased.length > 0) return { kind: 'refused', code: 'legal-basis-immutable', status: 409, errors: rebased };
  const notices = command.notices.map((notice) => ({ ...notice, contentHash: context.hashOf(notice) }));
  const rewritten = notices.flatMap((notice, index) => {
    const known = context.held.notices.get(noticeRef(notice.id, notice.version));
    return known !== undefined && known.contentHash !== notice.contentHash
      ? [{ pointer: `/notices/${index}`, detail: 'this version exists with other content; notices never change' }]
      : [];
  });
  if (rewritten.length > 0) return { kind: 'refused', code: 'notice-immutable', status: 409, errors: rewritten };
  const { held } = context;
  const difference = {
    purposes: command.purposes.filter((purpose) => !same(held.purposes.get(purpose.id), purpose)),
    notices: notices.filter((notice) => !held.notices.has(noticeRef(notice.id, notice.version))),
    recipients: command.recipients.filter((recipient) => !same(held.recipients.get(recipient.id), recipient)),
  };
  const isChange = Object.values(difference).some((items) => items.length > 0);
  return isChange ? { kind: 'changed', difference } : { kind: 'unchanged' };
}

function duplicates({ purposes, notices, recipients }: CatalogueCommand): CatalogueFault[] {
  const repeated = (list: string, ids: readonly string[]) =>
    ids.flatMap((id, index) =>
      ids.indexOf(id) === index ? [] : [{ pointer: `/${list}/${index}`, detail: 'is named twice in this change' }],
    );
  return [
    ...repeated(
      'purposes',
      purposes.map(({ id }) => id),
    ),
    ...repeated(
      'notices',
      notices.map(({ id, version }) => noticeRef(id, version)),
    ),
    ...repeated(
      'recipients',
      recipients.map(({ id }) => id),
    ),
  ];
}

/** Names must lead somewhere: into the catalogue held or into this very change. */
function referenceFaults(command: CatalogueCommand, { held, audiences }: CatalogueContext): CatalogueFault[] {
  const purposes = new Set([...held.purposes.keys(), ...command.purposes.map(({ id }) => id)]);
  const recipients = new Set([...held.recipients.keys(), ...command.recipients.map(({ id }) => id)]);
  return [
    // A reader in JavaScript would find a member of every object under this name.
    ...command.purposes.flatMap(({ id }, index) =>
      id === ('constructor' as PurposeId) ? [{ pointer: `/purposes/${index}/id`, detail: 'is a reserved word' }] : [],
    ),
    ...command.notices.flatMap((notice, index) => noticeFaults(notice, index, purposes, recipients)),
    ...command.recipients.flatMap((recipient, index) => recipientFaults(recipient, index, purposes, audiences)),
  ];
}

function noticeFaults(
  notice: NoticeDraft,
  index: number,
  purposes: ReadonlySet<PurposeId>,
  recipients: ReadonlySet<RecipientId>,
): CatalogueFault[] {
  const named = Object.entries(notice.purposes) as [PurposeId, readonly RecipientId[]][];
  return named.flatMap(([purpose, receivers]) => [
    ...(purposes.has(purpose)
      ? []
      : [{ pointer: `/notices/${index}/purposes`, detail: 'names a purpose that does not exist' }]),
    ...(receivers.every((recipient) => recipients.has(recipient))
      ? []
      : [{ pointer: `/notices/${index}/purposes/${purpose}`, detail: 'names a recipient that does not exist' }]),
  ]);
}

function recipientFaults(
  { purposes: served, audience }: Recipient,
  index: number,
  purposes: ReadonlySet<PurposeId>,
  audiences: ReadonlySet<Audience>,
): CatalogueFault[] {
  return [
    ...(served.every((purpose) => purposes.has(purpose))
      ? []
      : [{ pointer: `/recipients/${index}/purposes`, detail: 'names a purpose that does not exist' }]),
    ...(audiences.has(audience)
      ? []
      : [{ pointer: `/recipients/${index}/audience`, detail: 'is an audience this service has no key for' }]),
  ];
}

/** Equal as JSON, whatever the order of members. */
function same(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const members = Object.keys(left);
  return (
    members.length === Object.keys(right).length &&
    members.every((name) => Object.hasOwn(right, name) && same(Reflect.get(left, name), Reflect.get(right, name)))
  );
}
