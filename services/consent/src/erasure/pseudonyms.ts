import { createHmac } from 'node:crypto';
import type { ControllerId, SubjectHashKeys } from '@entente/contracts';

/** Names of a person's identifiers that tell nothing without the hash keys, under every live key (K-1, K-3). */
export type Pseudonyms = (
  controller: ControllerId,
  identifiers: { readonly email?: string; readonly phone?: string },
) => readonly string[];

/** The identifiers are normalised already. The prefix keeps these apart from subject keys made with the same secrets. */
export const pseudonymsWith =
  (keys: SubjectHashKeys): Pseudonyms =>
  (controller, { email, phone }) =>
    [...keys].flatMap(([number, key]) =>
      [email === undefined ? [] : [`email:${email}`], phone === undefined ? [] : [`phone:${phone}`]]
        .flat()
        .map((text) => {
          const digest = createHmac('sha256', key).update(`suppressed\0${controller}\0${text}`).digest('base64url');
          return `k${number}.${digest}`;
        }),
    );
