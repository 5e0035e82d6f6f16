import { createHmac, createSecretKey } from 'node:crypto';
import type { ControllerId, SubjectHashKeys } from '@entente/contracts';

/** Names of a person's identifiers that tell nothing without the hash keys, under every live key (K-1, K-3). */
export type Pseudonyms = (
  controller: ControllerId,
  identifiers: { readonly email?: string; readonly phone?: string },
) => readonly string[];

/** The identifiers are normalised already. The prefix keeps these apart from subject keys made with the same secrets. */
export function pseudonymsWith(keys: SubjectHashKeys): Pseudonyms {
  // As Node's own objects: it spends most of a short HMAC on looking at a raw key.
  const objects = [...keys].map(([number, key]) => [number, createSecretKey(key)] as const);
  return (controller, { email, phone }) =>
    objects.flatMap(([number, key]) =>
      [email === undefined ? [] : [`email:${email}`], phone === undefined ? [] : [`phone:${phone}`]]
        .flat()
        .map((text) => {
          const digest = createHmac('sha256', key).update(`suppressed\0${controller}\0${text}`).digest('base64url');
          return `k${number}.${digest}`;
        }),
    );
}
