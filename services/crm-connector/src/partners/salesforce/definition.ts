import {
  definePartner,
  worstOutcome,
  type Outcome,
  type PartnerContext,
  type Reinstatement,
  type Revocation,
} from '@entente/connector-runtime';
import { confirmRevocations, eraseRecords, findRecords, readRecords, withId } from './records.ts';
import {
  clearedBy,
  isMapped,
  merged,
  reinstatementWrites,
  revocationWrites,
  shareWrites,
  subjectIdsOf,
  takesShares,
  targetsOf,
  unmappedOf,
  type RecordWrite,
  type Target,
} from './plan.ts';
import { SalesforceSettings } from './settings.ts';
import { inEveryTarget, upsert } from './upserts.ts';

type Context = PartnerContext<SalesforceSettings>;

/** Salesforce: people by an external id, opt-out checkboxes and consent records (partner-apis.md §10.1). */
export const salesforce = definePartner<SalesforceSettings>({
  partner: 'salesforce',
  kind: 'crm',
  settings: SalesforceSettings,
  identifiers: ['subject-id'],
  // 200 records per collection. Calls are counted per rolling day and edition; the pace is ours, so that one connector
  // cannot spend a day's worth in minutes.
  limits: { shareBatch: 200, revokeBatch: 200, concurrency: 4, calls: 300, perMs: 10_000 },
  documentedDelay: {
    en: 'synchronous',
    fr: 'immédiat',
  },
  shareBy: 'recipient',

  share: (batch, context) =>
    inEveryTarget(batch, context, {
      accepts: (item) => isMapped(item.intent.purpose, context.settings),
      concerns: (target, item) => takesShares(target, item.intent.purpose, context.settings),
      writes: (target, item) => shareWrites(target, item, context.settings, context.now()),
      absent: { kind: 'refused', why: 'required-field-missing' },
    }),

  revoke: revokePersons,

  // The consent record is written with the share itself.
  reinstate: (batch, context) => {
    const { settings } = context;
    const whole = new Set(batch.filter(({ wholly }) => wholly).map(({ item }) => personAndPurpose(item.intent)));
    const clears = (target: Target, intent: Parameters<typeof personAndPurpose>[0]) =>
      clearedBy(target, intent.purpose, whole.has(personAndPurpose(intent)), settings);
    return inEveryTarget(
      batch.map(({ item }) => item),
      context,
      {
        accepts: ({ intent }) => isMapped(intent.purpose, settings),
        concerns: (target, { intent }) => clears(target, intent).size > 0,
        writes: (target, reinstatement) => {
          const allowed = context.allowed(reinstatement.subjectKey);
          return reinstatementWrites(
            target,
            reinstatement.identifiers,
            clears(target, reinstatement),
            allowed,
            settings,
          );
        },
        // Nobody is there whose "no" could be lifted; the share makes the record.
        absent: { kind: 'nothing-to-do', why: 'unknown-record' },
      },
    );
  },

  confirm: confirmRevocations,
  readBack: readRecords,
  erase: eraseRecords,
});

const personAndPurpose = ({ subjectKey, purpose }: Pick<Reinstatement, 'subjectKey' | 'purpose'>): string =>
  `${subjectKey} ${purpose}`;

/** One request per object for all persons, in the order in which the objects refer to each other. */
async function revokePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { settings } = context;
  const outcomes = new Map<Revocation, Outcome[]>(batch.map((revocation) => [revocation, []]));
  for (const target of targetsOf(settings)) {
    const writesOf = new Map(
      batch.map((revocation) => [revocation, writesFor(target, revocation, settings, context.now())]),
    );
    const written = await upsert(target, merged([...writesOf.values()].flat()), context);
    const gone = await absentRecords(target, written, context);
    for (const [revocation, writes] of writesOf)
      for (const { id } of writes) {
        const outcome = written.get(id) ?? { kind: 'unclear', why: 'no-outcome' };
        outcomes.get(revocation)?.push(outcome.kind === 'absent' ? gone(id) : outcome);
      }
  }
  return batch.map((revocation) => {
    const all = outcomes.get(revocation) ?? [];
    // What can be revoked was; the rest a human being must see to.
    if (unmappedOf(revocation.allowed, revocation.recipientPurposes, settings).length > 0)
      all.push({ kind: 'refused', why: 'purpose-not-mapped' });
    if (subjectIdsOf(revocation.identifiers).length === 0) all.push({ kind: 'refused', why: 'missing-identifier' });
    return worstOutcome(all);
  });
}

const writesFor = (
  target: Target,
  { identifiers, allowed }: Revocation,
  settings: SalesforceSettings,
  now: number,
): RecordWrite[] => subjectIdsOf(identifiers).flatMap((id) => revocationWrites(target, id, allowed, settings, now));

/** A record that would have had to be made: is there none, or does an existing one lack a field? Salesforce is asked. */
async function absentRecords(
  target: Target,
  written: Awaited<ReturnType<typeof upsert>>,
  context: Context,
): Promise<(id: string) => Outcome> {
  const ids = [...written].flatMap(([id, { kind }]) => (kind === 'absent' ? [id] : []));
  if (ids.length === 0) return () => ({ kind: 'unclear', why: 'no-outcome' });
  const looked = await findRecords([{ target, ids }], context);
  if ('failure' in looked) return () => looked.failure;
  return (id) => {
    if (withId(looked.found[0] ?? [], id).length > 0) return { kind: 'refused', why: 'required-field-missing' };
    return context.settings.viewsAllRecords
      ? { kind: 'nothing-to-do', why: 'unknown-record' }
      : { kind: 'refused', why: 'record-not-found' };
  };
}
