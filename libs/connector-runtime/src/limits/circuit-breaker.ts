/**
 * Stops calling a partner that does not answer, and tries with one call at a time until it does. A value: time comes as
 * an argument. Answers that say "no" are answers; only calls that got none, or an error of the partner's, count.
 */
export type Circuit =
  | { readonly kind: 'closed'; readonly failures: number }
  | { readonly kind: 'open'; readonly until: number; readonly openings: number }
  | { readonly kind: 'probing'; readonly since: number; readonly openings: number };

export interface CircuitPolicy {
  /** Failures in a row that open it. */
  readonly threshold: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** A probe of which nothing was heard for so long no longer counts. */
  readonly probeMs: number;
}

/** Short enough that a partner back from an outage gets its revocations within seconds. */
export const circuitPolicy: CircuitPolicy = { threshold: 5, baseMs: 1_000, capMs: 15_000, probeMs: 30_000 };

export const closedCircuit: Circuit = { kind: 'closed', failures: 0 };

export type Admission =
  | { readonly admitted: true; readonly circuit: Circuit; readonly probe: boolean }
  | { readonly admitted: false; readonly circuit: Circuit; readonly retryInMs: number };

export function admit(circuit: Circuit, policy: CircuitPolicy, now: number): Admission {
  if (circuit.kind === 'closed') return { admitted: true, circuit, probe: false };
  const freeAt = circuit.kind === 'open' ? circuit.until : circuit.since + policy.probeMs;
  if (now < freeAt) return { admitted: false, circuit, retryInMs: freeAt - now };
  return { admitted: true, circuit: { kind: 'probing', since: now, openings: circuit.openings }, probe: true };
}

export const onAnswer = (): Circuit => closedCircuit;

export function onFailure(circuit: Circuit, policy: CircuitPolicy, now: number): Circuit {
  if (circuit.kind === 'open') return circuit;
  if (circuit.kind === 'closed' && circuit.failures + 1 < policy.threshold)
    return { kind: 'closed', failures: circuit.failures + 1 };
  const openings = circuit.kind === 'probing' ? circuit.openings + 1 : 1;
  const ms = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(openings - 1, 20));
  return { kind: 'open', until: now + ms, openings };
}
