import {
  answerOf,
  halves,
  shareInOneRequest,
  worstOutcome,
  type Answer,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { HttpRequest, Sent, Shareable } from '@entente/gate';
import { audienceOf, purposeNotMapped, type Audiences, type Leaving, type RemovalPlan } from './audience-removals.ts';

/** What an answer says about the rows of a request. */
export type RowsAnswer =
  /** The same of every row. */
  | { readonly kind: 'all'; readonly outcome: Outcome }
  /** Each row has an outcome of its own, in the order of the request. */
  | { readonly kind: 'each'; readonly outcomes: readonly Outcome[] }
  /** These rows are bad, and because of them nothing was done for any other. */
  | { readonly kind: 'bad-rows'; readonly indexes: ReadonlySet<number> }
  /** At least one row is bad, and the partner does not say which. */
  | { readonly kind: 'some-bad' };

/** A row the partner will never take, whatever is repeated. */
export const badIdentifier: Outcome & { kind: 'refused' } = { kind: 'refused', why: 'invalid-identifier' };
/** Nothing was done for this one because of another one's bad row: it is sent again without that one. */
const heldUp: Outcome & { kind: 'retry' } = { kind: 'retry', why: 'another-identifier-invalid' };
/** It or another one it was sent with is bad: halves find out which. */
const suspect: Outcome & { kind: 'retry' } = { kind: 'retry', why: 'some-identifier-invalid' };
const noOutcome: Outcome & { kind: 'unclear' } = { kind: 'unclear', why: 'no-outcome' };

/** One outcome per item of a request, `rowsPerItem` rows each. */
export function outcomesOf(answer: RowsAnswer, rowsPerItem: readonly number[]): Outcome[] {
  let next = 0;
  return rowsPerItem.map((count) => {
    const first = next;
    next += count;
    const rows = Array.from({ length: count }, (_, index) => first + index);
    switch (answer.kind) {
      case 'all':
        return answer.outcome;
      case 'each':
        return worstOutcome(rows.map((row) => answer.outcomes[row] ?? noOutcome));
      case 'bad-rows':
        return rows.some((row) => answer.indexes.has(row)) ? badIdentifier : heldUp;
      case 'some-bad':
        return suspect;
    }
  });
}

/**
 * Sends a batch and, where one bad row stopped others, those again without it: together when the partner named the bad
 * one, in halves when it did not. One part after the other: a partner's answer comes before the next is sent. `alone` is
 * the outcome of an item that was still called bad with nothing beside it.
 */
export async function sentWithoutBad<T, O extends Outcome | ShareOutcome>(
  batch: readonly T[],
  send: (part: T[]) => Promise<readonly O[]>,
  alone: (item: T) => O | typeof badIdentifier = () => badIdentifier,
): Promise<(O | typeof badIdentifier | typeof noOutcome)[]> {
  const outcomes = await send([...batch]);
  const marked = (mark: Outcome): T[] => batch.filter((_, index) => outcomes[index] === mark);
  const [free, suspects] = [marked(heldUp), marked(suspect)];
  const settled = new Map<T, O | typeof badIdentifier | typeof noOutcome>();
  const [single] = suspects;
  if (single !== undefined && suspects.length === 1) settled.set(single, alone(single));
  const parts = [free, ...(suspects.length > 1 ? halves(suspects) : [])];
  for (const part of parts) {
    // An answer that holds up everybody and blames nobody would be asked for ever: the runtime tries again later.
    if (part.length === 0 || part.length === batch.length) continue;
    const repeated = await sentWithoutBad(part, send, alone);
    part.forEach((item, index) => settled.set(item, repeated[index] ?? noOutcome));
  }
  return batch.map((item, index) => settled.get(item) ?? outcomes[index] ?? noOutcome);
}

/** Settings of a partner that keeps one audience per purpose. */
interface AudienceSettings {
  readonly audiences: Audiences;
}

/** Shares of one purpose to its audience. Without one in the settings nothing leaves: the call could only be refused. */
export async function addToAudience<S extends AudienceSettings>(
  batch: Shareable<ShareItem>[],
  context: PartnerContext<S>,
  request: (audience: string, items: readonly ShareItem[]) => HttpRequest,
  read: (answer: Answer, items: readonly ShareItem[]) => RowsAnswer,
): Promise<ShareOutcome[]> {
  const [first] = batch;
  const audience = first === undefined ? null : audienceOf(first.intent.purpose, context.settings.audiences);
  if (audience === null) return batch.map(() => purposeNotMapped);
  const send = (part: Shareable<ShareItem>[]): Promise<ShareOutcome[]> =>
    shareInOneRequest(
      context.egress,
      part,
      (items) => request(audience, items),
      (answer, items) =>
        outcomesOf(
          read(answer, items),
          items.map(() => 1),
        ),
      context.signal,
    );
  return sentWithoutBad(batch, send);
}

/** Carries out a plan and gives every revocation of the batch its outcome: the worst of its audiences'. */
export async function removeFromAudiences<Row>(
  batch: readonly Revocation[],
  { removals, refused }: RemovalPlan<Row>,
  send: (audience: string, persons: readonly Leaving<Row>[]) => Promise<readonly Outcome[]>,
  alone?: (person: Leaving<Row>) => Outcome,
): Promise<Outcome[]> {
  const outcomes = new Map<Revocation, Outcome[]>();
  for (const { audience, persons } of removals) {
    const removed = await sentWithoutBad<Leaving<Row>, Outcome>(persons, (part) => send(audience, part), alone);
    persons.forEach(({ revocation }, index) =>
      outcomes.set(revocation, [...(outcomes.get(revocation) ?? []), removed[index] ?? noOutcome]),
    );
  }
  return batch.map((revocation) => refused.get(revocation) ?? worstOutcome(outcomes.get(revocation) ?? []));
}

/** What became of a request without a gate (revocations), per item of `rowsPerItem` rows. */
export function readRows(sent: Sent, rowsPerItem: readonly number[], read: (answer: Answer) => RowsAnswer): Outcome[] {
  const result = answerOf(sent);
  const answer: RowsAnswer = 'failure' in result ? { kind: 'all', outcome: result.failure } : read(result.answer);
  return outcomesOf(answer, rowsPerItem);
}
