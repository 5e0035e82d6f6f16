import { elements, failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { ContactInput } from './plan.ts';
import type { HubspotSettings } from './settings.ts';

/** Pause after the daily limit: it ends at midnight of the account's time zone, which we do not know. */
const dailyLimitPauseMs = 900_000;

const request = (settings: HubspotSettings, method: string, path: string, body?: unknown): HttpRequest => ({
  method,
  url: new URL(`${settings.baseUrl}${path}`),
  headers: {
    authorization: `Bearer ${settings.token}`,
    'content-type': 'application/json',
    accept: 'application/json',
  },
  ...(body === undefined ? {} : { body: JSON.stringify(body) }),
});

const statusPath = (settings: HubspotSettings, email: string): string =>
  `/communication-preferences/${settings.version}/statuses/${encodeURIComponent(email)}`;

export type SubscriptionState = 'SUBSCRIBED' | 'UNSUBSCRIBED';

export const setSubscription = (
  settings: HubspotSettings,
  email: string,
  subscriptionId: number,
  statusState: SubscriptionState,
): HttpRequest =>
  request(settings, 'POST', statusPath(settings, email), {
    channel: 'EMAIL',
    statusState,
    subscriptionId,
    legalBasis: 'CONSENT_WITH_NOTICE',
    legalBasisExplanation: statusState === 'SUBSCRIBED' ? 'consent granted' : 'consent withdrawn',
  });

export const unsubscribeFromAll = (settings: HubspotSettings, email: string): HttpRequest =>
  request(settings, 'POST', `${statusPath(settings, email)}/unsubscribe-all?channel=EMAIL`);

export const writeProperties = (
  settings: HubspotSettings,
  email: string,
  properties: Readonly<Record<string, string>>,
): HttpRequest =>
  request(
    settings,
    'PATCH',
    `/crm/objects/${settings.version}/contacts/${encodeURIComponent(email)}?idProperty=email`,
    { properties },
  );

export const upsertContacts = (settings: HubspotSettings, inputs: readonly ContactInput[]): HttpRequest =>
  request(settings, 'POST', `/crm/objects/${settings.version}/contacts/batch/upsert`, { inputs });

/** Deletes the contact for good; HubSpot puts an address it does not know on a blocklist instead (§10.2). */
export const deleteContact = (settings: HubspotSettings, email: string): HttpRequest =>
  request(settings, 'POST', `/crm/objects/${settings.version}/contacts/gdpr-delete`, {
    objectId: email,
    idProperty: 'email',
  });

export const readDeletion = (answer: Answer): Outcome =>
  answer.status === 204 ? { kind: 'applied' } : unlessUnknown(refusalOf(answer));

export const showStatuses = (settings: HubspotSettings, email: string): HttpRequest =>
  request(settings, 'GET', `${statusPath(settings, email)}?channel=EMAIL`);

export const showContact = (settings: HubspotSettings, email: string): HttpRequest =>
  request(
    settings,
    'GET',
    `/crm/objects/${settings.version}/contacts/${encodeURIComponent(email)}?idProperty=email&properties=${encodeURIComponent(
      Object.values(settings.consentProperties).join(','),
    )}`,
  );

/** The subscription types of an address, or why they are not known. */
export function shownStatuses(answer: Answer): ReadonlyMap<unknown, unknown> | Outcome {
  if (answer.status !== 200) return unlessUnknown(refusalOf(answer));
  const rows = member(answer.json, 'results');
  if (member(answer.json, 'status') !== 'COMPLETE' || !Array.isArray(rows))
    return { kind: 'unclear', why: 'unexpected-answer' };
  return new Map(rows.map((row: unknown) => [member(row, 'subscriptionId'), member(row, 'status')]));
}

/** The properties of a contact, null where HubSpot has none under this address, or why that is not known. */
export function shownContact(answer: Answer): { readonly properties: unknown } | null | Outcome {
  if (answer.status !== 200) {
    const refusal = refusalOf(answer);
    return refusal.kind === 'nothing-to-do' ? null : refusal;
  }
  const properties = member(answer.json, 'properties');
  return properties === undefined ? { kind: 'unclear', why: 'unexpected-answer' } : { properties };
}

/** A refusal by HubSpot; 429 names its pause in Retry-After or in the interval of the burst limit (§10.2). */
function refusalOf(answer: Answer): Outcome {
  if (answer.status === 429 && member(answer.json, 'policyName') === 'DAILY')
    return { kind: 'retry', why: 'throttled-daily', afterMs: dailyLimitPauseMs };
  const interval = Number(answer.headers['x-hubspot-ratelimit-interval-milliseconds'] ?? Number.NaN);
  const afterMs = retryAfterMs(answer.headers, 0) ?? (Number.isFinite(interval) ? interval : undefined);
  const failure = failureOf(answer, answer.status === 429 ? afterMs : undefined);
  const category = member(answer.json, 'category');
  // Only HubSpot's own word for it: a bare 404 may be a wrong address (ACK-TRUTH).
  if (answer.status === 404 && category === 'OBJECT_NOT_FOUND')
    return { kind: 'nothing-to-do', why: 'unknown-contact' };
  return failure;
}

/** 200 is not success: `status` must be COMPLETE, nothing may have failed, and each result must show the state asked for. */
export function readStatuses(answer: Answer, wanted: SubscriptionState, subscriptionId?: number): Outcome {
  if (answer.status !== 200 && answer.status !== 207) return unlessUnknown(refusalOf(answer));
  const state = member(answer.json, 'status');
  if (typeof state !== 'string') return { kind: 'unclear', why: 'unexpected-answer' };
  if (Number(member(answer.json, 'numErrors') ?? 0) > 0 || state === 'CANCELED')
    return { kind: 'retry', why: 'not-applied' };
  if (state !== 'COMPLETE') return { kind: 'unclear', why: 'still-processing' };
  const rows = elements(member(answer.json, 'results'));
  const ours = rows.filter((row) => subscriptionId === undefined || member(row, 'subscriptionId') === subscriptionId);
  const shown = ours.length > 0 && ours.every((row) => member(row, 'status') === wanted);
  return shown ? { kind: 'applied' } : { kind: 'unclear', why: 'state-not-shown' };
}

/** The preference API knows addresses without a contact: "not found" there is no statement about a person. */
const unlessUnknown = (outcome: Outcome): Outcome =>
  outcome.kind === 'nothing-to-do' ? { kind: 'refused', why: 'status-404' } : outcome;

/** The answer shows the contact after the write: only what stands there was written. */
export function readContact(answer: Answer, properties: Readonly<Record<string, string>>): Outcome {
  if (answer.status !== 200) return refusalOf(answer);
  const shown = member(answer.json, 'properties');
  if (shown === undefined) return { kind: 'unclear', why: 'unexpected-answer' };
  const written = Object.entries(properties).every(([name, value]) => member(shown, name) === value);
  return written ? { kind: 'applied' } : { kind: 'retry', why: 'not-applied' };
}

/** One outcome per address of a batch write, read from results and errors, never from the status alone (200, 201, 207). */
export function readUpsert(answer: Answer, emails: readonly string[]): Outcome[] {
  if (![200, 201, 207].includes(answer.status)) {
    const refusal = unlessUnknown(refusalOf(answer));
    return emails.map(() => refusal);
  }
  const written = new Set(elements(member(answer.json, 'results')).map((row) => emailIn(member(row, 'properties'))));
  const failed = new Map<unknown, Outcome>();
  for (const error of elements(member(answer.json, 'errors')))
    for (const id of elements(member(member(error, 'context'), 'ids'))) failed.set(id, itemFailure(error));
  return emails.map((email) => {
    const failure = failed.get(email);
    if (failure) return failure;
    return written.has(email.toLowerCase()) ? { kind: 'applied' } : { kind: 'unclear', why: 'state-not-shown' };
  });
}

const emailIn = (properties: unknown): string => {
  const email = member(properties, 'email');
  return typeof email === 'string' ? email.toLowerCase() : '';
};

const itemFailure = (error: unknown): Outcome =>
  member(error, 'category') === 'VALIDATION_ERROR'
    ? { kind: 'refused', why: 'invalid-identifier' }
    : { kind: 'retry', why: 'not-applied' };
