import {
  accessTokens,
  answerOf,
  halves,
  shareInOneRequest,
  worstOutcome,
  type Answer,
  type Outcome,
  type PartnerContext,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { readUpsert, upsertRecords } from './client.ts';
import { merged, targetsOf, type RecordWrite, type Target } from './plan.ts';
import { sessionGrant } from './session-grant.ts';
import type { SalesforceSettings } from './settings.ts';

type Context = PartnerContext<SalesforceSettings>;
type RecordOutcome = Outcome | { readonly kind: 'absent' };

/** Sessions of every configured organisation. */
export const withSession = accessTokens<SalesforceSettings>(sessionGrant);

/** Records per request (partner-apis.md §10.1). */
const collectionSize = 200;
const noOutcome = { kind: 'unclear', why: 'no-outcome' } as const;

/** Writes that need no gate: every record with its outcome, by its external id. */
export async function upsert(
  target: Target,
  writes: readonly RecordWrite[],
  context: Context,
): Promise<Map<string, RecordOutcome>> {
  const outcomes = new Map<string, RecordOutcome>();
  for (let at = 0; at < writes.length; at += collectionSize) {
    const part = writes.slice(at, at + collectionSize);
    const written = await withSession(context, part, (token, records) => upsertOnce(target, records, token, context));
    part.forEach(({ id }, index) => outcomes.set(id, written[index] ?? noOutcome));
  }
  return outcomes;
}

async function upsertOnce(
  target: Target,
  writes: readonly RecordWrite[],
  token: string,
  context: Context,
): Promise<RecordOutcome[]> {
  const result = answerOf(await context.call(upsertRecords(context.settings, token, target, writes)));
  if ('failure' in result) return writes.map(() => result.failure);
  const read = readUpsert(result.answer, writes.length);
  if (read.kind === 'records') return [...read.outcomes];
  if (writes.length === 1) return [read.outcome];
  const outcomes: RecordOutcome[] = [];
  for (const half of halves(writes)) outcomes.push(...(await upsertOnce(target, half, token, context)));
  return outcomes;
}

/** Gated items on their way through the objects of the organisation. */
export interface Passage<T> {
  /** What is not accepted is not sent at all: nothing stands for its purpose. */
  accepts(item: Shareable<T>): boolean;
  /** Whether the item has something to write in this object. */
  concerns(target: Target, item: Shareable<T>): boolean;
  writes(target: Target, payload: T): RecordWrite[];
  /** What it means that a record would have had to be made and could not. */
  readonly absent: Outcome;
}

/** One request per object; what fails in one object does not reach the next. */
export async function inEveryTarget<T>(
  items: readonly Shareable<T>[],
  context: Context,
  passage: Passage<T>,
): Promise<ShareOutcome[]> {
  const outcomes = new Map<Shareable<T>, ShareOutcome>(
    items.map((item) => [
      item,
      passage.accepts(item) ? { kind: 'sent' } : { kind: 'refused', why: 'purpose-not-mapped' },
    ]),
  );
  for (const target of targetsOf(context.settings)) {
    const concerned = items.filter((item) => outcomes.get(item)?.kind === 'sent' && passage.concerns(target, item));
    if (concerned.length === 0) continue;
    const sent = await withSession(context, concerned, (token, some) =>
      upsertGated(target, some, token, context, passage),
    );
    concerned.forEach((item, index) => outcomes.set(item, sent[index] ?? noOutcome));
  }
  return items.map((item) => outcomes.get(item) ?? noOutcome);
}

async function upsertGated<T>(
  target: Target,
  items: Shareable<T>[],
  token: string,
  context: Context,
  passage: Passage<T>,
): Promise<ShareOutcome[]> {
  const heldUp: Outcome & ShareOutcome = { kind: 'retry', why: 'another-record-unreadable' };
  const writesOf = (payloads: readonly T[]): RecordWrite[] =>
    merged(payloads.flatMap((payload) => passage.writes(target, payload)));
  const read = (answer: Answer, payloads: readonly T[]): Outcome[] => {
    const writes = writesOf(payloads);
    const result = readUpsert(answer, writes.length);
    if (result.kind === 'unreadable') return payloads.map(() => (payloads.length === 1 ? result.outcome : heldUp));
    const byId = new Map(writes.map(({ id }, index) => [id, result.outcomes[index]]));
    return payloads.map((payload) =>
      worstOutcome(
        passage.writes(target, payload).map(({ id }) => {
          const outcome = byId.get(id) ?? noOutcome;
          return outcome.kind === 'absent' ? passage.absent : outcome;
        }),
      ),
    );
  };
  const outcomes = await shareInOneRequest(
    context.egress,
    items,
    (payloads) => upsertRecords(context.settings, token, target, writesOf(payloads)),
    read,
    context.signal,
  );
  const again = items.filter((_, index) => outcomes[index] === heldUp);
  if (again.length === 0) return outcomes;
  const repeated: ShareOutcome[] = [];
  for (const half of halves(again)) repeated.push(...(await upsertGated(target, half, token, context, passage)));
  const byItem = new Map(again.map((item, index) => [item, repeated[index]]));
  return items.map((item, index) => byItem.get(item) ?? outcomes[index] ?? noOutcome);
}
