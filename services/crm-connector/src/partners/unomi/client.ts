import { failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { UnomiSettings } from './settings.ts';

const dayMs = 86_400_000;
const consentKey = ({ scope }: UnomiSettings, type: string): string => `${scope}/${type}`;

export type ConsentStatus = 'GRANTED' | 'DENIED';

export interface ContextRequest {
  readonly profileId: string;
  readonly events?: readonly object[];
  /** Properties the answer is to show. */
  readonly show?: readonly string[];
}

/** No session: a session that belongs to another profile would make Unomi work on that one instead. */
export function contextRequest(settings: UnomiSettings, { profileId, events, show }: ContextRequest): HttpRequest {
  return {
    method: 'POST',
    url: new URL(`${settings.baseUrl}${settings.contextPath}`),
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(settings.peerKey === undefined ? {} : { 'x-unomi-peer': settings.peerKey }),
      ...(settings.apiKey === undefined ? {} : { 'x-unomi-api-key': settings.apiKey }),
    },
    body: JSON.stringify({
      profileId,
      source: sourceOf(settings),
      ...(show === undefined ? {} : { requiredProfileProperties: show }),
      ...(events === undefined ? {} : { events }),
    }),
  };
}

/** A call of the private API, which wants Basic credentials (partner-apis.md §10.3). */
const privateRequest = (
  { baseUrl }: UnomiSettings,
  credentials: string,
  method: string,
  path: string,
): HttpRequest => ({
  method,
  url: new URL(`${baseUrl}${path}`),
  headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}`, accept: 'application/json' },
});

/** Deletes a profile with its events and sessions. */
export const deleteProfile = (settings: UnomiSettings, credentials: string, profileId: string): HttpRequest =>
  privateRequest(
    settings,
    credentials,
    'DELETE',
    `/cxs/privacy/profiles/${encodeURIComponent(profileId)}?withData=true`,
  );

export const readDeletion = (answer: Answer): Outcome =>
  answer.status === 200 || answer.status === 204
    ? { kind: 'applied' }
    : failureOf(answer, retryAfterMs(answer.headers, 0));

export const showProfile = (settings: UnomiSettings, credentials: string, profileId: string): HttpRequest =>
  privateRequest(settings, credentials, 'GET', `/cxs/profiles/${encodeURIComponent(profileId)}`);

/** Consent types that stand as granted in a profile, none where Unomi has no such profile, or why that is not known. */
export function readGranted(answer: Answer, { scope }: UnomiSettings): ReadonlySet<string> | Failure {
  // The private API answers "no such profile" without a body (JAX-RS, partner-apis.md does not say); the public one never.
  if (answer.status === 204) return new Set();
  if (answer.status !== 200) return failureOf(answer, retryAfterMs(answer.headers, 0));
  const consents = member(answer.json, 'consents');
  const named = typeof profileIn(answer) === 'string' || typeof member(answer.json, 'itemId') === 'string';
  if (!named || typeof consents !== 'object' || consents === null) return { kind: 'unclear', why: 'unexpected-answer' };
  const granted = Object.entries(consents).filter(([, consent]) => member(consent, 'status') === 'GRANTED');
  return new Set(granted.flatMap(([key]) => (key.startsWith(`${scope}/`) ? [key.slice(scope.length + 1)] : [])));
}

type Failure = ReturnType<typeof failureOf>;

const sourceOf = ({ scope }: UnomiSettings): object => ({ itemType: 'page', scope, itemId: 'consent-connector' });

/**
 * `DENIED` and never `REVOKED`: that deletes the entry, and nothing would say no any more. The date is always sent (Unomi
 * reads it without looking whether it is there); which consent is the newer Unomi does not judge by it (ORDER is ours).
 */
export function consentEvent(settings: UnomiSettings, type: string, status: ConsentStatus, now: number): object {
  const { scope, grantedForDays } = settings;
  const statusDate = new Date(now).toISOString();
  const revokeDate = new Date(now + grantedForDays * dayMs).toISOString();
  return {
    eventType: 'modifyConsent',
    scope,
    source: sourceOf(settings),
    target: { itemType: 'anyType', scope, itemId: type },
    properties: {
      consent: {
        typeIdentifier: type,
        scope,
        status,
        statusDate,
        // A no does not lapse.
        ...(status === 'GRANTED' ? { revokeDate } : {}),
      },
    },
  };
}

export function propertiesEvent(settings: UnomiSettings, fields: Readonly<Record<string, unknown>>): object {
  const update = Object.fromEntries(Object.entries(fields).map(([name, value]) => [`properties.${name}`, value]));
  return {
    eventType: 'updateProperties',
    scope: settings.scope,
    source: sourceOf(settings),
    properties: { update },
  };
}

/** The profile an answer is about; after a merge in Unomi it is the master of the one that was asked for. */
export const profileIn = (answer: Answer): unknown => member(answer.json, 'profileId');

/** 200 is not success: a malformed, unknown or unauthorised event is dropped without a word. What the answer shows counts. */
export function readConsents(
  answer: Answer,
  settings: UnomiSettings,
  types: readonly string[],
  wanted: ConsentStatus,
): Outcome {
  if (answer.status !== 200) return failureOf(answer, retryAfterMs(answer.headers, 0));
  const consents = member(answer.json, 'consents');
  if (typeof profileIn(answer) !== 'string' || typeof consents !== 'object' || consents === null)
    return { kind: 'unclear', why: 'unexpected-answer' };
  const shown = types.every((type) => member(member(consents, consentKey(settings, type)), 'status') === wanted);
  return shown ? { kind: 'applied' } : { kind: 'retry', why: 'not-applied' };
}

/** A share was taken when the answer shows the grant and what was written; a repetition would not change what is dropped. */
export function readShare(
  answer: Answer,
  settings: UnomiSettings,
  type: string,
  fields: Readonly<Record<string, unknown>>,
): Outcome {
  const granted = readConsents(answer, settings, [type], 'GRANTED');
  if (granted.kind === 'retry' && granted.why === 'not-applied') return { kind: 'refused', why: 'event-ignored' };
  if (granted.kind !== 'applied') return granted;
  const shown = member(answer.json, 'profileProperties');
  const written = Object.entries(fields).every(
    ([name, value]) => value === null || showsValue(member(shown, name), value),
  );
  return written ? { kind: 'applied' } : { kind: 'refused', why: 'event-ignored' };
}

/** Unomi converts a value to the type it declared for the property: another type, or the same instant, is the value still. */
function showsValue(shown: unknown, written: unknown): boolean {
  if (shown === undefined || shown === null) return false;
  if (typeof shown !== typeof written || typeof written === 'object') return true;
  if (shown === written) return true;
  return typeof shown === 'string' && typeof written === 'string' && Date.parse(shown) === Date.parse(written);
}
