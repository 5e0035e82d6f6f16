import type { Identifiers } from '@entente/contracts';
import type { IdentifierVault } from '../../../libs/connector-runtime/src/store/identifier-vault.ts';

const parsed = (sealed: string): Promise<Identifiers> => Promise.resolve(JSON.parse(sealed) as Identifiers);

/** Identifiers in plain text: encryption runs on real threads, whose order no seed decides, and hides nothing from a checker. */
export const plainVault = {
  store: (identifiers: Identifiers) => Promise.resolve(JSON.stringify(identifiers)),
  digest: (identifiers: Identifiers) => JSON.stringify(identifiers),
  stored: parsed,
  fromConsent: parsed,
} as unknown as IdentifierVault;
