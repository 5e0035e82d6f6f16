import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { entry } from '../evidence/intervals.ts';
import type { Operation } from '../evidence/operations.ts';
import { inOrder } from '../excerpt.ts';
import type { ApiInvoke, ApiOk } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * AVAIL: with nothing wrong, a share of a subject granted for more than D is allowed; and a gate is open again
 * `reopenMs` after a fault healed or its process started. Stops a gate that always denies from passing.
 */
export const avail: Invariant = (evidence) => {
  const byProcess = new Map<string, Asked[]>();
  let total = 0;
  const refused: Asked[] = [];
  for (const operation of evidence.operations.values()) {
    const asked = calmShare(evidence, operation);
    if (!asked) continue;
    total++;
    if (!asked.allowed) refused.push(asked);
    entry(byProcess, asked.invoke.process ?? '', () => []).push(asked);
  }
  const closed = [...byProcess.values()].flatMap((shares) => notReopened(evidence, shares));
  const [first] = refused;
  if (closed.length > 0 || !first || (total - refused.length) / total >= evidence.settings.availability) return closed;
  const what = `${refused.length} of ${total} shares of long-granted subjects were not allowed while nothing was wrong`;
  return [{ rule: 'AVAIL', what, events: inOrder(first.invoke, first.ok) }];
};

interface Asked {
  readonly invoke: ApiInvoke;
  readonly ok: ApiOk;
  readonly allowed: boolean;
}

/** A share asked while nothing was wrong for a subject that was granted all along; partner failures are not the gate's. */
function calmShare(evidence: Evidence, { invoke, ok }: Operation): Asked | undefined {
  const { settings, faults, processes, consent } = evidence;
  const outcome = ok?.share?.outcome;
  if (!ok || outcome === undefined || outcome === 'failed') return undefined;
  const { subject, controller, purpose, recipient, process } = invoke;
  if (subject === undefined || purpose === undefined || recipient === undefined) return undefined;
  if (faults.disturbs(invoke.at, ok.at)) return undefined;
  const started = process === undefined ? undefined : processes.startAt(process, ok.at);
  if (started && started.at > invoke.at - settings.reopenMs) return undefined;
  const since = invoke.at - settings.maxStalenessMs;
  const destination = { purpose, recipient };
  let granted = false;
  for (const change of consent.currentIn({ controller, subject }, since, ok.at)) {
    const view = consent.grantOf(change, destination);
    const throughout = consent.permitsIn(change, destination, since, ok.at);
    if (!view || !throughout || (view.validUntil ?? Infinity) <= ok.at + settings.slackMs) return undefined;
    granted ||= change.from < since;
  }
  return granted ? { invoke, ok, allowed: outcome === 'sent' } : undefined;
}

/** In the first D of a calm stretch some share must get through, if any was asked. */
function notReopened({ settings, faults }: Evidence, shares: readonly Asked[]): Violation[] {
  const found: Violation[] = [];
  let stretch: Asked[] = [];
  const judge = (): void => {
    const [first] = stretch;
    if (!first || first.allowed) return;
    const opening = stretch.filter(({ invoke }) => invoke.at <= first.invoke.at + settings.maxStalenessMs);
    if (opening.some(({ allowed }) => allowed)) return;
    const fault = faults.all.findLast(({ to }) => to < first.invoke.at)?.event;
    if (!fault) return;
    const what = `${first.invoke.process ?? 'the gate'} was still closed ${settings.reopenMs} ms after the fault healed`;
    found.push({ rule: 'AVAIL', what, events: inOrder(fault, first.invoke, first.ok) });
  };
  for (const asked of shares) {
    const last = stretch.at(-1);
    if (last && faults.disturbs(last.invoke.at, asked.invoke.at)) {
      judge();
      stretch = [];
    }
    stretch.push(asked);
  }
  judge();
  return found;
}
