import { randomBytes } from 'node:crypto';
import { newNoteKeys, newReceiptKey } from '@entente/contracts';

const key = (): string => randomBytes(32).toString('base64url');

/** Every secret of one local stack, made at start and kept in memory: nothing to check in, nothing to leak later. */
export interface StackSecrets {
  readonly subjectHashKeys: string;
  readonly identifierKeys: string;
  /** Key ring text per audience. */
  readonly audienceKeys: Readonly<Record<string, string>>;
  readonly shareKeys: Readonly<Record<string, string>>;
  readonly storageKeys: Readonly<Record<string, string>>;
  /** Signs the ledger's checkpoints, and receipts. */
  readonly ledgerKey: string;
  readonly receiptKeys: string;
  readonly clientSecret: (clientId: string) => string;
  /** Short enough to type; the console of a stack on one machine is all it opens. */
  readonly password: (person: string) => string;
}

export const audiences = ['crm', 'analytics', 'ad-partner'] as const;

export function makeSecrets(): StackSecrets {
  const rings = (prefix: string) => Object.fromEntries(audiences.map((name) => [name, `${prefix}-${name}-1:${key()}`]));
  const clients = new Map<string, string>();
  const passwords = new Map<string, string>();
  return {
    subjectHashKeys: `1:${key()}`,
    identifierKeys: `identifiers-1:${key()}`,
    audienceKeys: rings('event'),
    shareKeys: rings('share'),
    storageKeys: rings('storage'),
    ledgerKey: newNoteKeys('entente.local/ledger').signer,
    receiptKeys: JSON.stringify({ keys: [newReceiptKey()] }),
    clientSecret: (clientId) => {
      const secret = clients.get(clientId) ?? key();
      clients.set(clientId, secret);
      return secret;
    },
    password: (person) => {
      const password = passwords.get(person) ?? randomBytes(6).toString('base64url');
      passwords.set(person, password);
      return password;
    },
  };
}
