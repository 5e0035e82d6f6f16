import { member, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { badIdentifier, type RowsAnswer } from '../../audience-batches.ts';
import type { Leaving } from '../../audience-removals.ts';
import { errorOutcome, graphRequest } from './graph.ts';
import { isMalformed, schema, type Row } from './plan.ts';
import type { MetaSettings } from './settings.ts';

/** Adds or removes rows. */
export const changeUsers = (
  settings: MetaSettings,
  method: 'POST' | 'DELETE',
  audience: string,
  rows: readonly Row[],
  now: number,
): HttpRequest =>
  graphRequest(settings, method, `${encodeURIComponent(audience)}/users`, { payload: { schema, data: rows } }, now);

/** All taken, none of it, or some that Meta calls invalid without saying which. */
export function readUsers(answer: Answer, rows: number): RowsAnswer {
  if (answer.status !== 200 || member(answer.json, 'error') !== undefined)
    return { kind: 'all', outcome: errorOutcome(answer) };
  const received = member(answer.json, 'num_received');
  const invalid = member(answer.json, 'num_invalid_entries');
  if (typeof received !== 'number' || typeof invalid !== 'number' || received !== rows)
    return { kind: 'all', outcome: { kind: 'unclear', why: 'unexpected-answer' } };
  if (invalid > 0) return { kind: 'some-bad' };
  const session = member(answer.json, 'session_id');
  const reference = typeof session === 'string' || typeof session === 'number' ? String(session) : undefined;
  return { kind: 'all', outcome: { kind: 'applied', ...(reference === undefined ? {} : { reference }) } };
}

/** A well-formed hash called invalid contradicts the share that recorded it: worth repeating before a person looks. */
export const calledInvalid = ({ rows }: Leaving<Row>): Outcome =>
  rows.some(isMalformed) ? badIdentifier : { kind: 'retry', why: 'invalid-entries' };
