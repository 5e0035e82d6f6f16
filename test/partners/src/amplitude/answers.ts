import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';

/** Operations of the HTTP V2 API; the rest are the User Privacy API and the User Profile API. */
export const isUpload = (op: string): boolean => op.startsWith('events.');

/** Refusals of an upload name the events they are about by their index (amplitude.com/docs, HTTP V2 API). */
export const uploadError = (code: number, error: string, more: object = {}): Answer => ({
  status: code,
  body: { code, error, ...more },
});

export const invalidKey = (op: string): Answer =>
  isUpload(op) ? uploadError(400, 'Invalid API key: the project does not exist') : unauthorised();

/** The other APIs' refusal of wrong keys; its body is not documented. */
export const unauthorised = (): Answer => ({ status: 401, body: { error: 'Invalid API key and secret key' } });

/** Nothing of the request was taken. `user` names each of its people as too fast; else it is the project's limit. */
export function throttled(op: string, policyName: string | undefined): Answer {
  if (!isUpload(op)) return { status: 429, body: { error: 'Too many requests' } };
  const named = policyName === 'user' ? { throttled_events: [0], throttled_users: { someone: 31 } } : {};
  return uploadError(429, 'Too many requests for some devices and users', {
    eps_threshold: 30,
    throttled_devices: {},
    throttled_users: {},
    throttled_events: [],
    exceeded_daily_quota_users: {},
    exceeded_daily_quota_devices: {},
    ...named,
  });
}

export const failed = (op: string, { code }: StatusFault): Answer => {
  if (code === 401) return invalidKey(op);
  if (code === 429) return throttled(op, undefined);
  return isUpload(op) ? uploadError(code, 'Request failed') : { status: code, body: { error: 'Request failed' } };
};
