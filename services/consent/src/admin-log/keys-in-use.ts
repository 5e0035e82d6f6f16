import { parseKeyRing, parseReceiptKeys } from '@entente/contracts';
import type { KeyRing } from '@entente/contracts';
import { parseKeyRings } from '../config.ts';
import type { ConsentConfig } from '../config.ts';
import { parseLogKeys } from '../ledger-proofs/log-keys.ts';

const kidsOf = (ring: KeyRing): string[] => ring.map(({ kid }) => kid);

const kidsByAudience = (texts: Readonly<Record<string, string>>): object =>
  Object.fromEntries([...parseKeyRings(texts)].map(([audience, ring]) => [audience, kidsOf(ring)]));

/** Names of the keys of this configuration, the one in use first: what an auditor may know of them. */
export const keysInUse = (config: Readonly<ConsentConfig>): object => ({
  identifiers: kidsOf(parseKeyRing(config.identifierKeys)),
  audiences: kidsByAudience(config.audienceKeys),
  shares: kidsByAudience(config.shareKeys),
  subjectHashes: config.subjectHashKeys.split(',').map((key) => key.trim().split(':')[0]),
  ledger: config.ledgerKeys === undefined ? [] : parseLogKeys(config.ledgerKeys).verifiers.map(({ text }) => text),
  receipts:
    config.receiptKeys === undefined ? [] : parseReceiptKeys(config.receiptKeys).jwks.keys.map(({ kid }) => kid),
});
