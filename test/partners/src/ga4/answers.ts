import type { StatusFault } from '../faults.ts';
import { googleError } from '../google-data-manager/answers.ts';
import type { Answer } from '../partner.ts';

/** The older error shape of `www.googleapis.com`: a list of errors with a reason each. */
export const v3Error = (code: number, reason: string, message: string, location?: string): Answer => ({
  status: code,
  body: {
    error: {
      errors: [
        {
          domain: 'global',
          reason,
          message,
          ...(location === undefined ? {} : { locationType: 'parameter', location }),
        },
      ],
      code,
      message,
    },
  },
});

export const upsertOp = 'userDeletion.upsert';
export const submitOp = 'users.submitDeletion';
const isCollect = (op: string): boolean => op === 'mp.collect';

/** The Measurement Protocol never says no: whatever is wrong, the data is dropped behind a 204 (partner-apis.md §12, A5). */
export const silent: Answer = { status: 204 };

const says = (op: string, v3: Answer, rpc: Answer): Answer => (op === upsertOp ? v3 : rpc);

export function unauthenticated(op: string): Answer {
  if (isCollect(op)) return silent;
  const message = 'Request had invalid authentication credentials.';
  return says(op, v3Error(401, 'authError', message), googleError(401, message));
}

export const denied = (op: string): Answer =>
  says(
    op,
    v3Error(403, 'insufficientPermissions', 'User does not have sufficient permissions for this property.'),
    googleError(403, 'The caller does not have permission'),
  );

/** 403 or 429, the reason tells (partner-apis.md §12, A2); `policyName` chooses another reason, e.g. of the daily quota. */
export function throttled(op: string, policyName = 'rateLimitExceeded'): Answer {
  if (isCollect(op)) return silent;
  return says(op, v3Error(403, policyName, 'Quota exceeded.'), googleError(429, 'Quota exceeded for quota metric.'));
}

export function failed(op: string, { code }: StatusFault): Answer {
  if (code === 401) return unauthenticated(op);
  if (code === 403) return denied(op);
  if (code === 429) return throttled(op);
  return says(op, v3Error(code, 'backendError', 'Backend Error'), googleError(code, 'Request failed.'));
}
