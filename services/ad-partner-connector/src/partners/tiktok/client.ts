import { failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { RowsAnswer } from '../../audience-batches.ts';
import { idSchema, type Row } from './plan.ts';
import type { TikTokSettings } from './settings.ts';

/** Adds rows to an audience or deletes them from it; each cell names the audience. */
export function changeMapping(
  settings: TikTokSettings,
  action: 'add' | 'delete',
  audience: string,
  rows: readonly Row[],
): HttpRequest {
  const { baseUrl, version, token, advertiserIds } = settings;
  const cell = (id: string): object => (id === '' ? {} : { id, audience_ids: [audience] });
  const body = JSON.stringify({
    advertiser_ids: advertiserIds,
    action,
    id_schema: idSchema,
    batch_data: rows.map((row) => row.map(cell)),
  });
  return {
    method: 'POST',
    url: new URL(`/open_api/${version}/segment/mapping/`, baseUrl),
    headers: {
      'access-token': token,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/** System errors of TikTok's, all of them transient [S]. */
const systemErrors = 50_000;

/** Success is a 2xx **and** `code` 0; everything else, a 200 too, is the failure its code names (partner-apis.md §5, T2). */
export function readMapping(answer: Answer, settings: TikTokSettings, now: number): RowsAnswer {
  const code = member(answer.json, 'code');
  if (typeof code !== 'number') return { kind: 'all', outcome: failureOf(answer, retryAfterMs(answer.headers, now)) };
  if (settings.rowCodes.includes(code)) return { kind: 'some-bad' };
  return { kind: 'all', outcome: code === 0 ? accepted(answer) : codeOutcome(code, answer, settings, now) };
}

function accepted(answer: Answer): Outcome {
  if (answer.status < 200 || answer.status >= 300) return { kind: 'unclear', why: 'unexpected-answer' };
  const reference = member(answer.json, 'request_id');
  return { kind: 'applied', ...(typeof reference === 'string' && reference !== '' ? { reference } : {}) };
}

function codeOutcome(code: number, answer: Answer, settings: TikTokSettings, now: number): Outcome {
  const afterMs = retryAfterMs(answer.headers, now);
  if (settings.throttleCodes.includes(code))
    return { kind: 'retry', why: 'throttled', ...(afterMs === undefined ? {} : { afterMs }) };
  if (settings.tokenCodes.includes(code)) return { kind: 'refused', why: 'authentication' };
  if (settings.permissionCodes.includes(code)) return { kind: 'refused', why: 'permission' };
  if (settings.retryCodes.includes(code) || code >= systemErrors) return { kind: 'retry', why: 'partner-error' };
  return { kind: 'refused', why: 'rejected' };
}
