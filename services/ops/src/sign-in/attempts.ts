import { hkdfSync, randomBytes } from 'node:crypto';
import { EncryptJWT, jwtDecrypt } from 'jose';
import type { Attempt } from './provider.ts';

/** How long a person may take at the provider, seconds. */
export const attemptLifeS = 600;

export interface KeptAttempt extends Attempt {
  /** Where in the console they were going. */
  readonly to: string;
}

const random = (): string => randomBytes(32).toString('base64url');

/** Only pages of the console: an address from outside must not send a person elsewhere after signing in. */
export const localPage = (to: string | undefined): string =>
  to !== undefined && /^\/console(\/[\w./~%-]*)?(\?[\w=&%.~-]*)?$/.test(to) && !to.includes('..') ? to : '/console/';

/** Sign-ins under way, sealed in a cookie of the browser that began them, so that any instance can finish them. */
export class Attempts {
  readonly #key: Uint8Array;

  constructor(clientSecret: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', clientSecret, '', 'entente console sign-in', 32));
  }

  begin(to: string | undefined): KeptAttempt {
    return { state: random(), nonce: random(), verifier: random(), to: localPage(to) };
  }

  seal({ state, nonce, verifier, to }: KeptAttempt): Promise<string> {
    return new EncryptJWT({ state, nonce, verifier, to })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setExpirationTime(`${attemptLifeS}s`)
      .encrypt(this.#key);
  }

  /** @returns null when it is not ours, or over */
  async open(sealed: string): Promise<KeptAttempt | null> {
    try {
      const { payload } = await jwtDecrypt<KeptAttempt>(sealed, this.#key, {
        requiredClaims: ['exp', 'state', 'nonce', 'verifier', 'to'],
      });
      const { state, nonce, verifier, to } = payload;
      return { state, nonce, verifier, to };
    } catch {
      return null;
    }
  }
}
