import {
  answerOf,
  halves,
  shareInOneRequest,
  type Outcome,
  type PartnerContext,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { readUpload, uploadOf, type UploadAnswer } from './client.ts';
import type { AmplitudeEvent } from './plan.ts';
import type { AmplitudeSettings } from './settings.ts';

type Context = PartnerContext<AmplitudeSettings>;

const noOutcome = { kind: 'unclear', why: 'no-outcome' } as const;
/** Nothing was done for this one because of another one's event: it is sent again without that one. */
const heldUp = { kind: 'retry', why: 'another-event-refused' } as const;

/** One outcome per item of an upload, and whether the refused ones are named. */
function outcomesOf(read: UploadAnswer, items: number): { readonly outcomes: Outcome[]; readonly named: boolean } {
  const each = (of: (index: number) => Outcome): Outcome[] => Array.from({ length: items }, (_, index) => of(index));
  switch (read.kind) {
    case 'all':
      return { outcomes: each(() => read.outcome), named: true };
    case 'some':
      return { outcomes: each((index) => read.outcomes.get(index) ?? heldUp), named: true };
    case 'some-bad':
      return { outcomes: each(() => (items === 1 ? read.outcome : heldUp)), named: false };
  }
}

/** Those held up go again: all together where the others are named, else in halves. Always fewer than before. */
async function again<T, O extends Outcome | ShareOutcome>(
  items: readonly T[],
  outcomes: readonly O[],
  named: boolean,
  send: (items: T[]) => Promise<O[]>,
): Promise<(O | typeof noOutcome)[]> {
  const left = items.filter((_, index) => outcomes[index] === (heldUp as Outcome));
  const parts = named && left.length > 0 ? [left] : halves(left);
  const repeated: O[] = [];
  for (const part of parts) repeated.push(...(await send(part)));
  const byItem = new Map(left.map((item, index) => [item, repeated[index]]));
  return items.map((item, index) => byItem.get(item) ?? outcomes[index] ?? noOutcome);
}

/** Uploads what names consent only and needs no gate; one refused event never blocks another (HTTP V2 API, status 400). */
export async function upload(events: readonly AmplitudeEvent[], context: Context): Promise<Outcome[]> {
  if (events.length === 0) return [];
  const result = answerOf(await context.call(uploadOf(context.settings, events)));
  if ('failure' in result) return events.map(() => result.failure);
  const { outcomes, named } = outcomesOf(readUpload(result.answer, events.length), events.length);
  return again(events, outcomes, named, (part) => upload(part, context));
}

/** Uploads what the gate allows: one event per item. */
export async function uploadGated<T>(
  items: Shareable<T>[],
  eventOf: (payload: T) => AmplitudeEvent,
  context: Context,
): Promise<ShareOutcome[]> {
  if (items.length === 0) return [];
  let allNamed = true;
  const outcomes = await shareInOneRequest(
    context.egress,
    items,
    (payloads) => uploadOf(context.settings, payloads.map(eventOf)),
    (answer, payloads) => {
      const { outcomes: read, named } = outcomesOf(readUpload(answer, payloads.length), payloads.length);
      allNamed = named;
      return read;
    },
    context.signal,
  );
  return again(items, outcomes, allNamed, (part) => uploadGated(part, eventOf, context));
}
