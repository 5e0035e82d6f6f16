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
import type { ProfileWrite } from './plan.ts';
import type { KlaviyoSettings } from './settings.ts';

const headersOf = ({ apiKey, revision }: KlaviyoSettings): Record<string, string> => ({
  authorization: `Klaviyo-API-Key ${apiKey}`,
  revision,
  accept: 'application/vnd.api+json',
});

const post = (settings: KlaviyoSettings, path: string, data: object): HttpRequest => ({
  method: 'POST',
  url: new URL(`${settings.baseUrl}${path}`),
  headers: { ...headersOf(settings), 'content-type': 'application/vnd.api+json' },
  body: JSON.stringify({ data }),
});

const get = (settings: KlaviyoSettings, path: string): HttpRequest => ({
  method: 'GET',
  url: new URL(`${settings.baseUrl}${path}`),
  headers: headersOf(settings),
});

/** The profile of an address, without making one as an import would. The only call with an address in its URL. */
export const findProfile = (settings: KlaviyoSettings, email: string): HttpRequest =>
  get(
    settings,
    `/api/profiles?additional-fields[profile]=subscriptions&filter=${encodeURIComponent(`equals(email,"${email}")`)}`,
  );

export const showJob = (settings: KlaviyoSettings, id: string): HttpRequest =>
  get(settings, `/api/${jobTypes.suppress}s/${encodeURIComponent(id)}`);

/** Deletes the profile and all its data; a job without a name to ask by. */
export const deletionJob = (settings: KlaviyoSettings, email: string): HttpRequest =>
  post(settings, '/api/data-privacy-deletion-jobs', {
    type: 'data-privacy-deletion-job',
    attributes: { profile: { data: { type: 'profile', attributes: { email } } } },
  });

/** Create or update: answers with the profile as it is after the write. */
export const importProfile = (settings: KlaviyoSettings, email: string, write: ProfileWrite): HttpRequest =>
  post(settings, '/api/profile-import', {
    type: 'profile',
    attributes: { email, ...write.attributes, properties: write.properties },
  });

/** The same call without anything to write: its answer shows the suppressions, and no address stands in a URL. */
export const showSubscriptions = (settings: KlaviyoSettings, email: string): HttpRequest =>
  post(settings, '/api/profile-import?additional-fields[profile]=subscriptions', {
    type: 'profile',
    attributes: { email },
  });

const jobTypes = {
  suppress: 'profile-suppression-bulk-create-job',
  lift: 'profile-suppression-bulk-delete-job',
} as const;

export const suppressionJob = (
  settings: KlaviyoSettings,
  what: keyof typeof jobTypes,
  emails: readonly string[],
): HttpRequest =>
  post(settings, `/api/${jobTypes[what]}s`, {
    type: jobTypes[what],
    attributes: { profiles: { data: emails.map((email) => ({ type: 'profile', attributes: { email } })) } },
  });

const isSuccess = ({ status }: Answer): boolean => status === 200 || status === 201 || status === 202;

/** A refusal by Klaviyo. 524 is its proxy's own timeout, after which its SDK repeats as well (partner-apis.md §10.4). */
function refusalOf(answer: Answer): Outcome {
  const { status } = answer;
  if (status === 524) return { kind: 'retry', why: 'status-524' };
  if (status === 409) return { kind: 'refused', why: 'duplicate-profile' };
  if (status === 400 && namesEmail(answer)) return { kind: 'refused', why: 'invalid-identifier' };
  return failureOf(answer, retryAfterMs(answer.headers, 0));
}

const namesEmail = (answer: Answer): boolean =>
  elements(member(answer.json, 'errors')).some((error) => {
    const pointer = member(member(error, 'source'), 'pointer');
    return typeof pointer === 'string' && pointer.endsWith('/email');
  });

/** An accepted job has an id, and it is not cancelled; that it is complete would be a confirmation, which is more. */
export function readJob(answer: Answer): Outcome {
  if (!isSuccess(answer)) return refusalOf(answer);
  const data = member(answer.json, 'data');
  const reference = member(data, 'id');
  const status = member(member(data, 'attributes'), 'status');
  if (typeof reference !== 'string' || reference === '') return { kind: 'unclear', why: 'unexpected-answer' };
  if (status === 'cancelled') return { kind: 'retry', why: 'not-applied' };
  if (status !== 'queued' && status !== 'processing' && status !== 'complete')
    return { kind: 'unclear', why: 'unexpected-answer' };
  return { kind: 'applied', reference };
}

/** 202 and nothing else: this call answers without a body that could show anything. */
export const readDeletion = (answer: Answer): Outcome =>
  answer.status === 202 ? { kind: 'applied' } : refusalOf(answer);

/** How far a suppression job has come; `cancelled` = it will not happen. */
export function readProgress(answer: Answer): ConfirmationOutcome {
  if (answer.status !== 200) return asked(refusalOf(answer));
  switch (member(member(member(answer.json, 'data'), 'attributes'), 'status')) {
    case 'complete':
      return { kind: 'confirmed' };
    case 'queued':
    case 'processing':
      return { kind: 'pending' };
    case 'cancelled':
      return { kind: 'failed', why: 'job-cancelled' };
    default:
      return { kind: 'unclear', why: 'unexpected-answer' };
  }
}

/** A profile as it stands at Klaviyo. */
export interface ShownProfile {
  readonly properties: unknown;
  /** Whatever the reason: it gets no e-mail marketing. */
  readonly suppressed: boolean;
}

/** The profile of an address, null where there is none, or why that is not known. */
export function readFound(answer: Answer, email: string): ShownProfile | null | Failure {
  if (answer.status !== 200) return asked(refusalOf(answer));
  const found = member(answer.json, 'data');
  if (!Array.isArray(found)) return { kind: 'unclear', why: 'unexpected-answer' };
  const [data] = found as unknown[];
  if (data === undefined) return null;
  const attributes = profileIn({ ...answer, json: { data } }, email);
  const marketing = member(member(member(attributes, 'subscriptions'), 'email'), 'marketing');
  const receives = member(marketing, 'can_receive_email_marketing');
  if (attributes === undefined || typeof receives !== 'boolean') return { kind: 'unclear', why: 'unexpected-answer' };
  return { properties: member(attributes, 'properties'), suppressed: !receives };
}

type Failure = Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;

/** A refusal of a question says nothing about the person. */
const asked = (refusal: Outcome): Failure =>
  refusal.kind === 'applied' || refusal.kind === 'nothing-to-do'
    ? { kind: 'unclear', why: 'unexpected-answer' }
    : refusal;

/** The answer shows the profile after the write: only what stands there was written. */
export function readProfile(answer: Answer, email: string, { attributes, properties }: ProfileWrite): Outcome {
  if (!isSuccess(answer)) return refusalOf(answer);
  const shown = profileIn(answer, email);
  if (shown === undefined) return { kind: 'unclear', why: 'unexpected-answer' };
  const written = shows(shown, attributes) && shows(member(shown, 'properties'), properties);
  return written ? { kind: 'applied' } : { kind: 'retry', why: 'not-applied' };
}

/** The attributes of the profile of this address; undefined when the answer is about anything else. */
function profileIn(answer: Answer, email: string): unknown {
  const data = member(answer.json, 'data');
  const attributes = member(data, 'attributes');
  const shown = member(attributes, 'email');
  const same = typeof shown === 'string' && shown.toLowerCase() === email.trim().toLowerCase();
  return member(data, 'type') === 'profile' && same ? attributes : undefined;
}

/** Null takes a value away; structured values come back completed by Klaviyo, so that only their presence tells. */
const shows = (shown: unknown, written: Readonly<Record<string, unknown>>): boolean =>
  Object.entries(written).every(([name, value]) => {
    const there = member(shown, name);
    if (value === null) return there === undefined || there === null;
    return typeof value === 'object' ? there !== undefined && there !== null : there === value;
  });

/** Whether a suppression of ours is in force; `unknown` carries why the answer does not tell. */
export type Suppression =
  { readonly kind: 'ours' } | { readonly kind: 'none' } | { readonly kind: 'unknown'; readonly outcome: Outcome };

/** Only `USER_SUPPRESSED` can be lifted by us: who unsubscribed or complained there stays out. */
export function readSuppression(answer: Answer, email: string): Suppression {
  if (!isSuccess(answer)) return { kind: 'unknown', outcome: refusalOf(answer) };
  const marketing = member(member(member(profileIn(answer, email), 'subscriptions'), 'email'), 'marketing');
  const list = member(marketing, 'suppression');
  if (marketing === undefined || (list !== undefined && list !== null && !Array.isArray(list)))
    return { kind: 'unknown', outcome: { kind: 'unclear', why: 'unexpected-answer' } };
  const ours = elements(list).some((suppression) => member(suppression, 'reason') === 'USER_SUPPRESSED');
  return ours ? { kind: 'ours' } : { kind: 'none' };
}
