import {
  elements,
  failureOf,
  member,
  retryAfterMs,
  type Answer,
  type ConfirmationOutcome,
  type Outcome,
} from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { RowsAnswer } from '../../audience-batches.ts';
import type { Member } from './plan.ts';
import type { GoogleDataManagerSettings } from './settings.ts';

const hourMs = 3_600_000;

/** Adds members, with what they consented to: the gate has allowed each of them for this purpose at this recipient. */
export function ingestMembers(
  settings: GoogleDataManagerSettings,
  token: string,
  list: string,
  members: readonly Member[],
  personalised: boolean,
): HttpRequest {
  return membersRequest(settings, token, 'ingest', {
    ...membersBody(settings, list, members),
    consent: {
      adUserData: 'CONSENT_GRANTED',
      adPersonalization: personalised ? 'CONSENT_GRANTED' : 'CONSENT_DENIED',
    },
    termsOfService: { customerMatchTermsOfServiceStatus: 'ACCEPTED' },
  });
}

/** Removes members; this call has no consent field (partner-apis.md §3, G1). */
export const removeMembers = (
  settings: GoogleDataManagerSettings,
  token: string,
  list: string,
  members: readonly Member[],
): HttpRequest => membersRequest(settings, token, 'remove', membersBody(settings, list, members));

function membersBody(settings: GoogleDataManagerSettings, list: string, members: readonly Member[]): object {
  const { accountType, accountId, loginAccountType, loginAccountId } = settings;
  return {
    destinations: [
      {
        operatingAccount: { accountType, accountId },
        ...(loginAccountId === undefined
          ? {}
          : { loginAccount: { accountType: loginAccountType, accountId: loginAccountId } }),
        productDestinationId: list,
      },
    ],
    audienceMembers: members.map(({ emailAddress, phoneNumber }) => ({
      userData: {
        userIdentifiers: [
          ...(emailAddress === undefined ? [] : [{ emailAddress }]),
          ...(phoneNumber === undefined ? [] : [{ phoneNumber }]),
        ],
      },
    })),
    encoding: 'HEX',
  };
}

function membersRequest(
  { baseUrl }: GoogleDataManagerSettings,
  token: string,
  method: 'ingest' | 'remove',
  content: object,
): HttpRequest {
  const body = JSON.stringify(content);
  return {
    method: 'POST',
    url: new URL(`/v1/audienceMembers:${method}`, baseUrl),
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/** What became of an accepted request, by the name its answer gave it. */
export const showStatus = ({ baseUrl }: GoogleDataManagerSettings, token: string, requestId: string): HttpRequest => ({
  method: 'GET',
  url: new URL(`/v1/requestStatus:retrieve?requestId=${encodeURIComponent(requestId)}`, baseUrl),
  headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
});

/**
 * One status per destination. `PARTIAL_SUCCESS` does not say who was left out, so that everybody in the request is removed
 * again. The counters say what was sent, removed or not, and prove nothing (partner-apis.md §3, G1).
 */
export function readStatus(answer: Answer, now: number): ConfirmationOutcome {
  if (answer.status !== 200) {
    const outcome = errorOutcome(answer, now);
    return outcome.kind === 'applied' || outcome.kind === 'nothing-to-do'
      ? { kind: 'unclear', why: 'unexpected-answer' }
      : outcome;
  }
  const destinations = elements(member(answer.json, 'requestStatusPerDestination'));
  const statuses = destinations.map((destination) => member(destination, 'requestStatus'));
  if (statuses.includes('FAILED') || statuses.includes('FAILURE')) return { kind: 'failed', why: 'request-failed' };
  if (statuses.includes('PARTIAL_SUCCESS')) return { kind: 'failed', why: 'request-failed-in-part' };
  if (statuses.includes('PROCESSING')) return { kind: 'pending' };
  return statuses.length > 0 && statuses.every((status) => status === 'SUCCESS')
    ? { kind: 'confirmed' }
    : { kind: 'unclear', why: 'unexpected-answer' };
}

/**
 * Of all members of a request the same, which of them are bad (and nothing was done for any), or that some are bad without
 * saying which. One bad record fails the whole request (partner-apis.md §3, G5).
 */
export function readMembers(answer: Answer, members: number, now: number): RowsAnswer {
  const requestId = member(answer.json, 'requestId');
  if (answer.status === 200 && typeof requestId === 'string' && requestId !== '')
    return { kind: 'all', outcome: { kind: 'applied', reference: requestId } };
  if (answer.status === 400) return readRefusal(answer, members);
  return { kind: 'all', outcome: errorOutcome(answer, now) };
}

function readRefusal(answer: Answer, members: number): RowsAnswer {
  const error = member(answer.json, 'error');
  const violations = detailsOf(answer).flatMap((detail) => elements(member(detail, 'fieldViolations')));
  const indexes = new Set(violations.flatMap((violation) => memberIndex(violation, members)));
  if (indexes.size > 0) return { kind: 'bad-rows', indexes };
  const elsewhere = violations.find((violation) => typeof member(violation, 'field') === 'string');
  if (elsewhere !== undefined) return { kind: 'all', outcome: { kind: 'refused', why: reasonOf(elsewhere) } };
  // A refusal that names no field: worth finding out whether a record is behind it, so that it blocks no other.
  const unnamed = member(error, 'status') === 'INVALID_ARGUMENT';
  return unnamed ? { kind: 'some-bad' } : { kind: 'all', outcome: failureOf(answer) };
}

/** `audience_members[7].user_data.user_identifiers[0]`, however its path begins: member 7. */
function memberIndex(violation: unknown, members: number): number[] {
  const field = member(violation, 'field');
  const found = typeof field === 'string' ? /audience_?members\[(\d+)\]/i.exec(field) : null;
  const index = Number(found?.[1] ?? NaN);
  return index < members ? [index] : [];
}

/** `reason` of a violation outside the members → what an operator has to look at. */
const reasons: Readonly<Record<string, string>> = {
  INVALID_USER_LIST_ID: 'audience-missing',
  INVALID_USER_LIST_TYPE: 'audience-type',
  TERMS_AND_CONDITIONS_NOT_SIGNED: 'terms-not-accepted',
  DESTINATION_ACCOUNT_NOT_FOUND: 'account-missing',
};

function reasonOf(violation: unknown): string {
  const reason = member(violation, 'reason');
  return (typeof reason === 'string' ? reasons[reason] : undefined) ?? 'rejected';
}

function errorOutcome(answer: Answer, now: number): Outcome {
  // Concurrent changes of one user list (partner-apis.md §3, G8).
  if (answer.status === 409) return { kind: 'retry', why: 'partner-error' };
  if (answer.status === 429) return { kind: 'retry', why: 'throttled', ...askedPause(answer, now) };
  return failureOf(answer, retryAfterMs(answer.headers, now));
}

/** Google names the quota, not a pause: a quota of the day is not back within minutes, one of the minute soon is. */
function askedPause(answer: Answer, now: number): { afterMs?: number } {
  const asked = retryAfterMs(answer.headers, now);
  if (asked !== undefined) return { afterMs: asked };
  const limits = detailsOf(answer).map((detail) => member(member(detail, 'metadata'), 'quota_limit'));
  return limits.some((limit) => typeof limit === 'string' && /perday/i.test(limit)) ? { afterMs: hourMs } : {};
}

const detailsOf = (answer: Answer): readonly unknown[] => elements(member(member(answer.json, 'error'), 'details'));
