import { randomBytes } from 'node:crypto';
import { Unsealable, seal, unseal } from '@entente/contracts';
import type { ControllerId, KeyRing, SealingKey, SubjectKey } from '@entente/contracts';

/** Names, in the header of what is sealed, the key of the very subject whose row it stands in. */
const dataKeyId = 'subject';
const keyBytes = 32;

/** Whose data key (K-5: what is sealed under it is destroyed with it). Bound into the wrapped key, so that a key moved to another row opens nothing. */
export interface Owner {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
}

const ownerText = ({ controller, subjectKey }: Owner): string => `${controller} ${subjectKey}`;

export const newDataKey = (): SealingKey => ({ kid: dataKeyId, key: new Uint8Array(randomBytes(keyBytes)) });

export const wrapDataKey = (ring: KeyRing, owner: Owner, { key }: SealingKey): Promise<string> =>
  seal(ring, { of: ownerText(owner), key: Buffer.from(key).toString('base64url') });

/** Throws `Unsealable` for a lost service key, an altered text, and a key that belongs to another subject's row. */
export async function unwrapDataKey(ring: KeyRing, owner: Owner, wrapped: string): Promise<SealingKey> {
  const { of, key } = (await unseal(ring, wrapped)) as { readonly of: string; readonly key: string };
  if (of !== ownerText(owner)) throw new Unsealable('a data key in the row of another subject');
  return { kid: dataKeyId, key: new Uint8Array(Buffer.from(key, 'base64url')) };
}
