import { member, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { RowsAnswer } from '../../../audience-batches.ts';
import { readUsers } from '../client.ts';
import { errorOutcome, graphRequest } from '../graph.ts';
import { schema, type Row } from '../plan.ts';
import { faultOf, type ServerEvent } from './plan.ts';
import type { MetaConversionsSettings } from './settings.ts';

export const sendEvents = (
  settings: MetaConversionsSettings,
  events: readonly ServerEvent[],
  now: number,
): HttpRequest =>
  graphRequest(
    settings,
    'POST',
    `${settings.pixelId}/events`,
    {
      data: events,
      ...(settings.testEventCode === undefined ? {} : { test_event_code: settings.testEventCode }),
    },
    now,
  );

/** One invalid event rejects them all, and Meta does not say which (partner-apis.md §2, M8). */
export function readEvents(answer: Answer, events: readonly ServerEvent[], now: number): RowsAnswer {
  if (answer.status === 200 && member(answer.json, 'error') === undefined) {
    const received = member(answer.json, 'events_received');
    return { kind: 'all', outcome: received === events.length ? { kind: 'applied' } : unexpected };
  }
  const outcome = errorOutcome(answer, 'pixel-missing');
  const [only] = events;
  if (outcome.kind !== 'refused' || outcome.why !== 'rejected') return { kind: 'all', outcome };
  if (only === undefined || events.length > 1) return { kind: 'some-bad' };
  return { kind: 'all', outcome: { kind: 'refused', why: faultOf(only, now) } };
}

const unexpected: Outcome = { kind: 'unclear', why: 'unexpected-answer' };

/** Out of every customer list of an ad account, by hash (partner-apis.md §1, M4). */
export const removeFromAnyAudience = (
  settings: MetaConversionsSettings,
  account: string,
  rows: readonly Row[],
  now: number,
): HttpRequest =>
  graphRequest(settings, 'DELETE', `act_${account}/usersofanyaudience`, { payload: { schema, data: rows } }, now);

/** The answer's shape is not documented: as for one audience, or a plain `success` (unverified). */
export const readRemoval = (answer: Answer, rows: number): RowsAnswer =>
  answer.status === 200 && member(answer.json, 'success') === true
    ? { kind: 'all', outcome: { kind: 'applied' } }
    : readUsers(answer, rows);
