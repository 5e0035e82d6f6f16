import type { Confirmation, Erasure, PartnerContext, Revocation, ShareItem } from '@entente/connector-runtime';
import { purposeId, recipientId, subjectKey, type Identifiers, type PurposeId } from '@entente/contracts';
import { Egress, Gate, type Decision, type Shareable } from '@entente/gate';
import { createLogger, systemClock } from '@entente/observability';
import { randomUUID } from 'node:crypto';

const someone = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');
const recipient = recipientId('recipient-1');
export const [analytics, advertising] = [purposeId('product-analytics'), purposeId('advertising')];
const purposes: readonly PurposeId[] = [analytics, advertising];

/** A partner's code against its contract server through the real egress: no database, and time moves when told. */
export class DirectContext<S extends object> {
  readonly context: PartnerContext<S>;
  readonly #egress: Egress;
  #aheadMs = 0;

  /** @param decide what the gate says of a purpose */
  constructor(settings: S, decide: (purpose: PurposeId) => Decision = allow) {
    const log = createLogger({ service: 'test', level: 'silent' });
    const gate = {
      decide: ({ purpose }: { readonly purpose: PurposeId }) => decide(purpose),
      onDenied: () => () => {},
    };
    this.#egress = new Egress({ gate, clock: systemClock, log, network: { development: true } });
    const { signal } = new AbortController();
    this.context = {
      recipient,
      purposes,
      settings,
      egress: this.#egress,
      call: (request) => this.#egress.call(request),
      allowed: () => purposes.filter((purpose) => decide(purpose).kind === 'allow'),
      now: () => systemClock.now() + this.#aheadMs,
      log,
      signal,
    };
  }

  advance(ms: number): void {
    this.#aheadMs += ms;
  }

  close(): void {
    this.#egress.close();
  }
}

const allow = (): Decision => ({ kind: 'allow', deadline: systemClock.monotonic() + 1_950, version: 1 });

/** A share as the gate prepares it. */
export function shareOf(
  id: string,
  fields: Readonly<Record<string, unknown>> = {},
  purpose: PurposeId = analytics,
): Shareable<ShareItem> {
  const payload = { subjectKey: someone, purpose, identifiers: { 'subject-id': id }, fields, requestId: randomUUID() };
  return (Object.create(Gate.prototype) as Gate).prepare({ subjectKey: someone, purpose, recipient }, payload);
}

const setsOf = (ids: readonly string[]): Identifiers[] => ids.map((id) => ({ 'subject-id': id }));

export const revocationOf = (ids: readonly string[], allowed: readonly PurposeId[] = []): Revocation => ({
  subjectKey: someone,
  version: 2,
  identifiers: setsOf(ids),
  allowed,
  stopped: [],
  recipientPurposes: purposes,
});

export const erasureOf = (ids: readonly string[], version = 7): Erasure => ({
  subjectKey: someone,
  version,
  identifiers: setsOf(ids),
});

/** What the runtime would ask about an accepted revocation. */
export const confirmationOf = (
  ids: readonly string[],
  reference: string | undefined,
  allowed: readonly PurposeId[] = [],
  acceptedAt = systemClock.now(),
): Confirmation => ({
  subjectKey: someone,
  identifiers: setsOf(ids),
  allowed,
  recipientPurposes: purposes,
  acceptedAt,
  ...(reference === undefined ? {} : { reference }),
});
