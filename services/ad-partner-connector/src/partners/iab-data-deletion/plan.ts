import type { Identifiers } from '@entente/contracts';
import type { Outcome } from '@entente/connector-runtime';

/** The identifiers to be deleted, each once, exactly as recorded: a request carries one. */
export const deletionsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap((set) => set['iab-email'] || [])),
];

/** Claims of an acknowledgement whose signature, issuer and request were found to be right. */
export interface Acknowledgement {
  readonly jti: string;
  readonly code: number;
}

/** `raResultCode` → what an operator has to look at (framework, "Result Codes"). */
const refusals: Readonly<Record<number, string>> = {
  1: 'malformed-request',
  2: 'signature-rejected',
  3: 'token-rejected',
  4: 'identifier-not-supported',
  5: 'invalid-identifier',
  6: 'timestamp-rejected',
};

/** What a verified acknowledgement says; the HTTP status must not say the opposite. */
export function acknowledged({ jti, code }: Acknowledgement, status: number): Outcome {
  const accepted = status >= 200 && status < 300;
  if (code === 0) return accepted ? { kind: 'applied', reference: jti } : contradiction;
  if (accepted || status === 400) return { kind: 'refused', why: refusals[code] ?? 'rejected' };
  return contradiction;
}

const contradiction: Outcome = { kind: 'unclear', why: 'contradictory-answer' };
