import { consentModeKeys } from '@entente/contracts';
import type { Catalogue, ConsentModeKey, Purpose, PurposeId, RecipientId } from '@entente/contracts';
import { optOutFields } from './opt-outs.ts';
import { readSignal } from './read-signal.ts';
import type { StandingSignal } from './signal-store.ts';
import type { Statement } from './statement.ts';
import { decodeTcString, tcStringFaults } from './tc-string.ts';

/** What the record permits, as every view is made from it. */
export interface Permitted {
  /** Purposes granted, not run out, active, under a notice that still counts. */
  readonly purposes: ReadonlySet<PurposeId>;
  /** Recipients the person excluded from a granted purpose. */
  readonly refused: ReadonlyMap<PurposeId, readonly RecipientId[]>;
}

/** A string as its CMP made it, byte for byte (T-2, Q-5), or why it may not be passed on. */
type Forwarded =
  | { readonly string: string; readonly source: string; readonly receivedAt: string }
  | { readonly string: null; readonly withheld: 'none-received' | 'not-valid' | 'permits-more-than-recorded' };

/** SIG-6: granted only if every purpose that is mapped to the key is; a key nothing is mapped to is denied (U-3). */
export function consentModeView(
  { purposes }: Catalogue,
  permitted: Permitted,
): Record<ConsentModeKey, 'granted' | 'denied'> {
  const states = consentModeKeys.map((key) => {
    const mapped = [...purposes.values()].filter(({ mapping }) => mapping?.consentMode?.includes(key) ?? false);
    return [key, allPermitted(mapped, permitted) ? 'granted' : 'denied'] as const;
  });
  return Object.fromEntries(states) as Record<ConsentModeKey, 'granted' | 'denied'>;
}

export interface TcfView {
  readonly tcString: Forwarded;
  /** TCF purposes 1 to 11: permitted if every purpose of ours that stands on them is. */
  readonly purposes: Readonly<Record<number, boolean>>;
}

const tcfPurposes = Array.from({ length: 11 }, (_, index) => index + 1);

export function tcfView(
  catalogue: Catalogue,
  permitted: Permitted,
  signals: readonly StandingSignal[],
  now: number,
): TcfView {
  const purposes = tcfPurposes.map((number) => {
    const mapped = [...catalogue.purposes.values()].filter(
      ({ mapping }) => mapping?.tcf?.purposes.includes(number) ?? false,
    );
    return [number, allPermitted(mapped, permitted)] as const;
  });
  const received = newest(signals, 'tcf');
  return { tcString: forwardedTcf(received, catalogue, permitted, now), purposes: Object.fromEntries(purposes) };
}

function forwardedTcf(
  received: StandingSignal | undefined,
  catalogue: Catalogue,
  permitted: Permitted,
  now: number,
): Forwarded {
  if (received === undefined) return { string: null, withheld: 'none-received' };
  const decoded = decodeTcString(received.raw);
  if (decoded.kind === 'unreadable' || tcStringFaults(decoded.string, now).length > 0)
    return { string: null, withheld: 'not-valid' };
  return forwarded(received, catalogue, permitted, now);
}

export interface GppView {
  readonly gppString: Forwarded;
  /** Opt-outs as the record has them, by field of the US sections. */
  readonly optOuts: Readonly<Record<string, boolean>>;
}

export function gppView(
  catalogue: Catalogue,
  permitted: Permitted,
  signals: readonly StandingSignal[],
  now: number,
): GppView {
  const byField = new Map<string, Purpose[]>();
  for (const purpose of catalogue.purposes.values())
    for (const field of optOutFields(purpose, catalogue)) byField.set(field, [...(byField.get(field) ?? []), purpose]);
  const optOuts = [...byField].map(([field, mapped]) => [field, !allPermitted(mapped, permitted)] as const);
  const received = newest(signals, 'gpp');
  return {
    gppString:
      received === undefined
        ? { string: null, withheld: 'none-received' }
        : forwarded(received, catalogue, permitted, now),
    optOuts: Object.fromEntries(optOuts.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** A string that permits anything the record does not would carry a consent that has gone. */
function forwarded(received: StandingSignal, catalogue: Catalogue, permitted: Permitted, now: number): Forwarded {
  const reading = readSignal(received.kind, received.raw, catalogue, now);
  if (reading.kind === 'unreadable') return { string: null, withheld: 'not-valid' };
  if (reading.statements.some((statement) => permitsMore(statement, catalogue, permitted)))
    return { string: null, withheld: 'permits-more-than-recorded' };
  const { raw, source, receivedAt } = received;
  return { string: raw, source, receivedAt };
}

function permitsMore({ purpose, says, refuses = [] }: Statement, { recipients }: Catalogue, permitted: Permitted) {
  if (says === 'denies') return false;
  if (!permitted.purposes.has(purpose)) return true;
  const excluded = permitted.refused.get(purpose) ?? [];
  return (
    says === 'allows' &&
    excluded.some((recipient) => recipients.get(recipient)?.tcfVendor !== undefined && !refuses.includes(recipient))
  );
}

const allPermitted = (mapped: readonly Purpose[], { purposes }: Permitted): boolean =>
  mapped.length > 0 && mapped.every(({ id }) => purposes.has(id));

/** Of several sources the one heard last. */
const newest = (signals: readonly StandingSignal[], kind: StandingSignal['kind']): StandingSignal | undefined =>
  signals.filter((signal) => signal.kind === kind).sort((a, b) => (a.receivedAt < b.receivedAt ? 1 : -1))[0];
