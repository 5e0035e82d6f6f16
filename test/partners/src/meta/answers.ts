import { randomUUID } from 'node:crypto';
import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';
import type { RateReading } from '../rate-window.ts';

const usageHeader = 'x-business-use-case-usage';
/** `estimated_time_to_regain_access` counts in minutes (partner-apis.md §1). */
const minuteMs = 60_000;

interface GraphErrorExtras {
  readonly status?: number;
  readonly type?: string;
  readonly subcode?: number;
  readonly title?: string;
}

/** `{"error":{…}}` as the Graph API writes it; the HTTP status says little, the code says what happened. */
export function graphError(code: number, message: string, extras: GraphErrorExtras = {}): Answer {
  const { status = 400, type = 'OAuthException', subcode, title } = extras;
  const error = {
    message,
    type,
    code,
    ...(subcode === undefined ? {} : { error_subcode: subcode }),
    ...(title === undefined ? {} : { error_user_title: title, error_user_msg: message }),
    fbtrace_id: randomUUID().replaceAll('-', '').slice(0, 22),
  };
  return { status, body: { error } };
}

export const invalidParameter = (message: string): Answer => graphError(100, `(#100) ${message}`);

export const expired = (): Answer =>
  graphError(190, 'Error validating access token: Session has expired.', { subcode: 463 });

export const wrongToken = (): Answer => graphError(190, 'Invalid OAuth access token - Cannot parse access token');

export const unknownObject = (id: string): Answer => {
  const why = `Unsupported request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions`;
  return graphError(100, why, { type: 'GraphMethodException', subcode: 33 });
};

/** `operation_status` 471: updates and deletes of members are refused (partner-apis.md §1). */
export const flaggedAudience = (): Answer =>
  graphError(100, 'The audience was flagged and cannot be updated', {
    subcode: 1713230,
    title: 'Custom audience flagged',
  });

const usage = (account: string, percent: number, minutes: number): string => {
  const counts = { call_count: percent, total_cputime: percent, total_time: percent };
  return JSON.stringify({
    [account]: [{ type: 'custom_audience', ...counts, estimated_time_to_regain_access: minutes }],
  });
};

export function throttled(account: string, waitMs = minuteMs): Answer {
  const message = '(#80003) There have been too many calls to this ad-account. Wait a bit and try again.';
  const headers = { [usageHeader]: usage(account, 100, Math.ceil(waitMs / minuteMs)) };
  return { ...graphError(80003, message, { subcode: 2446079 }), headers };
}

export function rateHeaders(account: string, reading: RateReading | undefined): Readonly<Record<string, string>> {
  const spent = reading === undefined ? 0 : 1 - reading.remaining / reading.rate.requests;
  return { [usageHeader]: usage(account, Math.round(spent * 100), 0) };
}

export function failed(account: string, fault: StatusFault): Answer {
  const { code: status, errorCode, errorSubcode } = fault;
  const extras = { status, ...(errorSubcode === undefined ? {} : { subcode: errorSubcode }) };
  if (errorCode !== undefined) return graphError(errorCode, `(#${errorCode}) Request failed`, extras);
  if (status === 429) return throttled(account);
  if (status === 401) return { ...expired(), status };
  if (status === 403) return graphError(200, '(#200) Requires ads_management permission to manage the object', extras);
  if (status < 500) return graphError(100, '(#100) Invalid parameter', extras);
  // 1 and 2 are the transient ones: unknown error, service temporarily unavailable.
  return status === 503
    ? graphError(2, 'Service temporarily unavailable', extras)
    : graphError(1, 'An unknown error occurred', extras);
}
