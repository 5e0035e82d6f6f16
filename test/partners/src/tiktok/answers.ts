import { randomUUID } from 'node:crypto';
import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';

/** Return codes in the body, which say what the HTTP status does not (partner-apis.md §5, T2; the numbers [S]). */
export const codes = {
  ok: 0,
  noPermission: 40_001,
  invalidParameter: 40_002,
  tooManyRequests: 40_100,
  invalidToken: 40_105,
  systemError: 50_000,
} as const;

/** HTTP 200 whatever happened: the code says it. */
export const coded = (code: number, message: string, data: object = {}): Answer => ({
  status: 200,
  body: { code, message, request_id: randomUUID().replaceAll('-', ''), data },
});

export const ok = (): Answer => coded(codes.ok, 'OK');
export const invalidToken = (): Answer => coded(codes.invalidToken, 'Access token is incorrect or has been revoked.');
export const tooMany = (): Answer => coded(codes.tooManyRequests, 'Too many requests. Please retry in some time.');
export const invalid = (message: string): Answer => coded(codes.invalidParameter, message);
export const noPermission = (): Answer => coded(codes.noPermission, 'No permission to operate advertiser');

export function failed({ code }: StatusFault): Answer {
  if (code === 401) return invalidToken();
  if (code === 403) return noPermission();
  if (code === 429) return tooMany();
  if (code < 500) return invalid('Request failed');
  return { ...coded(codes.systemError, 'System error'), status: code };
}
