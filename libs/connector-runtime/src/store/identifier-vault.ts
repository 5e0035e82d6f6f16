import {
  identifierKinds,
  seal,
  unseal,
  Unsealable,
  type IdentifierKind,
  type Identifiers,
  type KeyRing,
} from '@entente/contracts';
import { createHmac } from 'node:crypto';

/** Exactly what was sent, in one spelling: kinds in the catalogue's order. */
const canonical = (identifiers: Identifiers): Identifiers =>
  Object.fromEntries(identifierKinds.flatMap((kind) => (identifiers[kind] ? [[kind, identifiers[kind]]] : [])));

/** Identifiers at rest: sealed under the connector's own storage keys; and what arrives sealed for its audience. */
export class IdentifierVault {
  readonly #storage: KeyRing;
  readonly #audience: KeyRing;

  constructor(storage: KeyRing, audience: KeyRing) {
    this.#storage = storage;
    this.#audience = audience;
  }

  store(identifiers: Identifiers): Promise<string> {
    return seal(this.#storage, canonical(identifiers));
  }

  /**
   * Tells two sets apart without revealing them: an HMAC, since an e-mail is easily guessed, and under an audience key: it
   * outlives the loss of the storage keys, so that what the consent service still knows can be told to be the very set
   * that was sealed under them (DLV-4). A new key gives new digests, which costs a second row for a set and nothing else.
   */
  digest(identifiers: Identifiers): string {
    return digestUnder(this.#audience[0].key, identifiers);
  }

  /** Every digest this set may have been recorded with: under keys that are still held, of either kind. */
  digests(identifiers: Identifiers): string[] {
    return [...this.#audience, ...this.#storage].map(({ key }) => digestUnder(key, identifiers));
  }

  /** Null when no key of ours opens it. */
  stored(sealed: string): Promise<Identifiers | null> {
    return opened(this.#storage, sealed);
  }

  /** The identifiers part of an event or of `/v1/sealed`; null when no key of ours opens it. */
  fromConsent(sealed: string): Promise<Identifiers | null> {
    return opened(this.#audience, sealed);
  }

  /** A sealed share request (SEAL-2). Throws `Unsealable`. */
  shareRequest(sealed: string): Promise<unknown> {
    return unseal(this.#audience, sealed);
  }
}

const digestUnder = (key: Uint8Array, identifiers: Identifiers): string =>
  createHmac('sha256', key)
    .update('entente exposure digest\0')
    .update(JSON.stringify(canonical(identifiers)))
    .digest('base64url')
    .slice(0, 22);

async function opened(ring: KeyRing, sealed: string): Promise<Identifiers | null> {
  try {
    const value = await unseal(ring, sealed);
    return typeof value === 'object' && value !== null ? canonical(value) : null;
  } catch (error) {
    if (error instanceof Unsealable) return null;
    throw error;
  }
}

/** Only the kinds a partner works with; null when none of them is there. */
export function usable(identifiers: Identifiers, kinds: readonly IdentifierKind[]): Identifiers | null {
  const entries = kinds.flatMap((kind) => (identifiers[kind] ? [[kind, identifiers[kind]] as const] : []));
  return entries.length === 0 ? null : Object.fromEntries(entries);
}
