import { createHmac } from 'node:crypto';
import { keyObject } from './sealing/key-object.ts';
import type { ControllerId, SubjectId, SubjectKey } from './ids.ts';

/** Live HMAC keys by their number in the prefix (`k1` → 1), 32 bytes or more each. */
export type SubjectHashKeys = ReadonlyMap<number, Buffer>;

/**
 * `k<n>.` + base64url of the first 16 bytes of HMAC-SHA-256(key, controller ‖ 0x00 ‖ subjectId) (design.md §1).
 * Stored at first write and never recomputed; a new key serves new subjects only.
 */
export function deriveSubjectKey(
  number: number,
  key: Buffer,
  controller: ControllerId,
  subject: SubjectId,
): SubjectKey {
  const digest = createHmac('sha256', keyObject(key)).update(controller).update('\0').update(subject).digest();
  return `k${number}.${digest.subarray(0, 16).toString('base64url')}` as SubjectKey;
}

/** The key under every live HMAC key, newest first: look-ups try all, a first write uses the first. */
export function candidateSubjectKeys(
  keys: SubjectHashKeys,
  controller: ControllerId,
  subject: SubjectId,
): SubjectKey[] {
  return [...keys.entries()]
    .sort(([a], [b]) => b - a)
    .map(([number, key]) => deriveSubjectKey(number, key, controller, subject));
}

/**
 * How a person stands in lists: enough to tell two lines apart and to find the same person in another list, too little to
 * look somebody up with.
 */
export const maskedSubject = (subjectKey: string): string => `••••${subjectKey.slice(-4)}`;
