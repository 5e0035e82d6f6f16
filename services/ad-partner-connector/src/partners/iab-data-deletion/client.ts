import { answerOf, failureOf, retryAfterMs, type Outcome, type PartnerContext } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { Discovery, VendorResource } from './discovery.ts';
import { acknowledged } from './plan.ts';
import type { IabDataDeletionSettings } from './settings.ts';
import { acknowledgementIn, requestToken, verified, type Deletion } from './tokens.ts';

type Context = PartnerContext<IabDataDeletionSettings>;

function deletionRequest(settings: IabDataDeletionSettings, endpoint: URL, rqJWT: string): HttpRequest {
  const body = settings.body === 'json' ? JSON.stringify({ rqJWT }) : rqJWT;
  return {
    method: 'POST',
    url: endpoint,
    headers: {
      accept: 'application/json, application/jwt',
      'content-type': settings.body === 'json' ? 'application/json' : 'application/jwt',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/** One identifier, one request; the vendor's signed acknowledgement alone makes it accepted. */
export async function requestDeletion(
  deletion: Deletion,
  resource: VendorResource,
  discovery: Discovery,
  context: Context,
): Promise<Outcome> {
  const { settings } = context;
  const rqJWT = await requestToken(settings, deletion, context.now());
  const sent = await context.call(deletionRequest(settings, resource.endpoint, rqJWT));
  const result = answerOf(sent);
  if ('failure' in result) return result.failure;
  const { status, headers } = result.answer;
  const acJWT = sent.kind === 'answered' ? acknowledgementIn(sent.response.body.toString('utf8')) : null;
  const failed = failureOf(result.answer, retryAfterMs(headers, context.now()));
  if (acJWT === null) return failed.kind === 'unclear' ? { kind: 'unclear', why: 'acknowledgement-missing' } : failed;
  const asked = { vendor: settings.domain, rqJWT };
  const known = await verified(acJWT, { ...asked, keys: resource.keys });
  if (known !== null) return acknowledged(known, status);
  // The vendor may have changed its key since it was last asked.
  const again = await discovery.again(context);
  const renewed = 'resource' in again ? await verified(acJWT, { ...asked, keys: again.resource.keys }) : null;
  if (renewed !== null) return acknowledged(renewed, status);
  return failed.kind === 'unclear' ? unverified : failed;
}

const unverified: Outcome = { kind: 'unclear', why: 'acknowledgement-not-verified' };
