import { purposeId, recipientId, subjectKey, type Identifiers, type PurposeId } from '@entente/contracts';
import type { PartnerContext, Revocation, ShareItem } from '@entente/connector-runtime';
import { Gate, type HttpRequest, type Sent, type Shareable } from '@entente/gate';
import { createLogger } from '@entente/observability';

export const [ads, lookalikes] = [purposeId('ads'), purposeId('lookalikes')] as const;

/** 64 hex digits, told apart by their first character. */
export const hash = (character: string): string => character.repeat(64);

const someone = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');

/** A person who withdrew from `ads`, or from all of `purposes` that are not `allowed`. */
export const revocationOf = (
  identifiers: readonly Identifiers[],
  purposes: readonly PurposeId[] = [ads],
  allowed: readonly PurposeId[] = [],
): Revocation => ({ subjectKey: someone, version: 2, identifiers, allowed, stopped: [], recipientPurposes: purposes });

/** A share as the gate prepares it; the test's egress decides whether it leaves. */
export function shareOf(identifiers: Identifiers, purpose = ads): Shareable<ShareItem> {
  const intent = { subjectKey: someone, purpose, recipient: recipientId('recipient-1') };
  const gate = Object.create(Gate.prototype) as Gate;
  return gate.prepare(intent, { subjectKey: someone, purpose, identifiers, fields: {}, requestId: 'r' });
}

export const answered = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Sent => ({
  kind: 'answered',
  response: { status, headers, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) },
});

/** A context whose ungated calls are answered by `call`; nothing may be shared. */
export const contextOf = <S extends object>(
  settings: S,
  call: (request: HttpRequest) => Sent | Promise<Sent>,
): PartnerContext<S> => ({
  recipient: recipientId('recipient-1'),
  purposes: [ads, lookalikes],
  settings,
  egress: { share: () => Promise.reject(new Error('nothing is shared here')) },
  call: async (request) => call(request),
  allowed: () => [],
  now: () => 1_000_000,
  log: createLogger({ service: 'test', level: 'silent' }),
  signal: new AbortController().signal,
});
