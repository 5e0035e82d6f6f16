import {
  answerOf,
  worstOutcome,
  type Confirmation,
  type ConfirmationOutcome,
  type Erasure,
  type Outcome,
  type PartnerContext,
  type ReadBack,
  type ReadBackItem,
} from '@entente/connector-runtime';
import type { Identifiers, PurposeId } from '@entente/contracts';
import { deleteRecords, lookUpRecords, readDeletion, readLookUp, saysYes, type Found } from './client.ts';
import { checkboxesOf, consentId, consentObject, subjectIdsOf, targetsOf, type Target } from './plan.ts';
import type { SalesforceSettings } from './settings.ts';
import { withSession } from './upserts.ts';

type Context = PartnerContext<SalesforceSettings>;
type Failure = Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;

/** Ids per query: a query may be 100,000 characters long, its URL in a batch has no documented length. */
const querySize = 100;
/** Records per deletion (partner-apis.md §10.1). */
const deletionSize = 200;

/** Finds the records of these external ids, one list per target. */
export async function findRecords(
  wanted: readonly { readonly target: Target; readonly ids: readonly string[] }[],
  context: Context,
): Promise<{ readonly found: readonly (readonly Found[])[] } | { readonly failure: Failure }> {
  const { settings } = context;
  const parts = wanted.map(({ target, ids }) => {
    const fields =
      target.object === consentObject ? ['PrivacyConsentStatus'] : Object.keys(checkboxesOf(target, [], settings));
    return { target, ids, fields };
  });
  const found = wanted.map((): Found[] => []);
  const longest = Math.max(0, ...wanted.map(({ ids }) => ids.length));
  for (let at = 0; at < longest; at += querySize) {
    const queries = parts
      .map((part, index) => ({ ...part, index, ids: part.ids.slice(at, at + querySize) }))
      .filter(({ ids }) => ids.length > 0);
    let pages: readonly (readonly Found[])[] = [];
    const [outcome = { kind: 'unclear', why: 'no-outcome' } as const] = await withSession(
      context,
      [queries],
      async (token): Promise<Outcome[]> => {
        const result = answerOf(await context.call(lookUpRecords(settings, token, queries)));
        if ('failure' in result) return [result.failure];
        const read = readLookUp(
          result.answer,
          queries.map(({ target }) => target),
        );
        if ('failure' in read) return [read.failure];
        pages = read.found;
        return [{ kind: 'applied' }];
      },
    );
    if (outcome.kind !== 'applied')
      return { failure: outcome.kind === 'nothing-to-do' ? { kind: 'unclear', why: 'unexpected-answer' } : outcome };
    queries.forEach(({ index }, page) => found[index]?.push(...(pages[page] ?? [])));
  }
  return { found };
}

/**
 * Records with this external id. Whether case counts is a property of the field: where it does, only the same text is the
 * same person; where it does not, there is no other record.
 */
export function withId(found: readonly Found[], wanted: string): readonly Found[] {
  const same = found.filter(({ id }) => id === wanted);
  return same.length > 0 ? same : found.filter(({ id }) => id.toLowerCase() === wanted.toLowerCase());
}

/** Every record of a person, by object. */
type Held = readonly { readonly target: Target; readonly records: readonly Found[] }[];

/** Looks up the records of everybody at once; a person's own list is in the objects' order. */
async function recordsOf(
  people: readonly { readonly identifiers: readonly Identifiers[] }[],
  context: Context,
): Promise<{ readonly of: (identifiers: readonly Identifiers[]) => Held } | { readonly failure: Failure }> {
  const { settings } = context;
  const idsIn = ({ object }: Target, identifiers: readonly Identifiers[]): string[] =>
    object === consentObject
      ? subjectIdsOf(identifiers).flatMap((id) =>
          Object.keys(settings.contactPoints).map((purpose) => consentId(id, purpose)),
        )
      : subjectIdsOf(identifiers);
  const targets = targetsOf(settings);
  const looked = await findRecords(
    targets.map((target) => ({
      target,
      ids: [...new Set(people.flatMap(({ identifiers }) => idsIn(target, identifiers)))],
    })),
    context,
  );
  if ('failure' in looked) return looked;
  return {
    of: (identifiers) =>
      targets.map((target, index) => {
        const found = looked.found[index] ?? [];
        return { target, records: idsIn(target, identifiers).flatMap((id) => withId(found, id)) };
      }),
  };
}

/** Purposes one of the person's records still says yes to. */
function servedIn(held: Held, purposes: readonly PurposeId[], settings: SalesforceSettings): PurposeId[] {
  return purposes.filter((purpose) =>
    held.some(({ target, records }) =>
      records.some(({ id, fields }) => {
        if (target.object === consentObject && !id.toLowerCase().endsWith(`/${purpose.toLowerCase()}`)) return false;
        return saysYes(target, purpose, fields, settings) === true;
      }),
    ),
  );
}

const isEmpty = (held: Held): boolean => held.every(({ records }) => records.length === 0);
const notFound = { kind: 'unclear', why: 'record-not-found' } as const;

/** What Salesforce holds; nobody found is an answer only of a user who sees every record. */
export async function readRecords(batch: readonly ReadBackItem[], context: Context): Promise<ReadBack[]> {
  const { settings } = context;
  const looked = await recordsOf(batch, context);
  if ('failure' in looked) return batch.map(() => looked.failure);
  return batch.map(({ identifiers, recipientPurposes }) => {
    const held = looked.of(identifiers);
    if (isEmpty(held) && !settings.viewsAllRecords) return notFound;
    return { kind: 'read', served: servedIn(held, recipientPurposes, settings) };
  });
}

/** Writes are synchronous, so reading back shows at once whether they hold. */
export async function confirmRevocations(
  batch: readonly Confirmation[],
  context: Context,
): Promise<ConfirmationOutcome[]> {
  const read = await readRecords(batch, context);
  return batch.map(({ allowed }, index) => {
    const shown = read[index] ?? notFound;
    if (shown.kind !== 'read') return shown;
    const stays = shown.served.filter((purpose) => !allowed.includes(purpose));
    return stays.length === 0 ? { kind: 'confirmed' } : { kind: 'failed', why: 'still-served' };
  });
}

/** Deletes every record of a person, the one that refers to another first. */
export async function eraseRecords(batch: readonly Erasure[], context: Context): Promise<Outcome[]> {
  const { settings } = context;
  const looked = await recordsOf(batch, context);
  if ('failure' in looked) return batch.map(() => looked.failure);
  const held = batch.map(({ identifiers }) => looked.of(identifiers));
  const deleted = new Map<string, Outcome>();
  for (const target of [...targetsOf(settings)].reverse()) {
    const ids = held.flatMap((person) =>
      person.flatMap((each) =>
        each.target.object === target.object ? each.records.map(({ recordId }) => recordId) : [],
      ),
    );
    await deleteAll([...new Set(ids)], context, deleted);
  }
  return batch.map(({ identifiers }, index) => {
    const records = (held[index] ?? []).flatMap((each) => each.records);
    if (subjectIdsOf(identifiers).length === 0) return { kind: 'refused', why: 'missing-identifier' };
    if (records.length === 0)
      return settings.viewsAllRecords
        ? { kind: 'nothing-to-do', why: 'unknown-record' }
        : { kind: 'refused', why: 'record-not-found' };
    return worstOutcome(records.map(({ recordId }) => deleted.get(recordId) ?? { kind: 'unclear', why: 'no-outcome' }));
  });
}

async function deleteAll(ids: readonly string[], context: Context, outcomes: Map<string, Outcome>): Promise<void> {
  for (let at = 0; at < ids.length; at += deletionSize) {
    const part = ids.slice(at, at + deletionSize);
    const read = await withSession(context, part, async (token, some): Promise<Outcome[]> => {
      const result = answerOf(await context.call(deleteRecords(context.settings, token, some)));
      return 'failure' in result ? some.map(() => result.failure) : readDeletion(result.answer, some.length);
    });
    part.forEach((id, index) => outcomes.set(id, read[index] ?? { kind: 'unclear', why: 'no-outcome' }));
  }
}
