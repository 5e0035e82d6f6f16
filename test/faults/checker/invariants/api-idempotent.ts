import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { entry } from '../evidence/intervals.ts';
import type { Operation } from '../evidence/operations.ts';
import { inOrder } from '../excerpt.ts';
import type { Violation } from '../violation.ts';

/**
 * API-IDEMPOTENT: one Idempotency-Key with one body has one answer and one change; with another body it is refused.
 * Denying is judged by state, not by key (REC-3): it may commit again, but only if something was granted in between.
 */
export const apiIdempotent: Invariant = (evidence) => {
  const byKey = new Map<string, Answered[]>();
  for (const operation of evidence.operations.values()) {
    const { invoke, ok } = operation;
    if (!ok || invoke.idempotencyKey === undefined) continue;
    const key = [invoke.controller, invoke.client, invoke.route, invoke.idempotencyKey].join('\0');
    entry(byKey, key, () => []).push({ ...operation, ok });
  }
  const found: Violation[] = [];
  for (const group of byKey.values()) {
    const [first, ...others] = group.sort((a, b) => a.ok.at - b.ok.at);
    if (!first) continue;
    for (const other of others) {
      const fault = denies(other) && denies(first) ? secondDeny(evidence, first, other) : another(first, other);
      if (!fault) continue;
      const what = `Idempotency-Key ${first.invoke.idempotencyKey} ${fault}`;
      found.push({ rule: 'API-IDEMPOTENT', what, events: inOrder(first.invoke, first.ok, other.invoke, other.ok) });
    }
  }
  return found;
};

type Answered = Required<Pick<Operation, 'invoke' | 'ok'>>;

const denies = ({ invoke }: Answered): boolean => Object.values(invoke.asked ?? {}).some((granted) => !granted);

const versions = ({ ok }: Answered): string =>
  (ok.answers ?? [])
    .map(({ subject, version }) => `${subject} ${version}`)
    .sort()
    .join();

function another(first: Answered, other: Answered): string | undefined {
  if (first.invoke.bodyDigest !== other.invoke.bodyDigest) {
    return denies(other) ? undefined : 'was accepted again with another body';
  }
  if (versions(first) !== versions(other)) return 'made a second change';
  return first.ok.answerDigest === other.ok.answerDigest ? undefined : 'was answered differently the second time';
}

function secondDeny({ consent }: Evidence, first: Answered, other: Answered): string | undefined {
  if (first.invoke.bodyDigest !== other.invoke.bodyDigest) return undefined;
  for (const before of first.ok.answers ?? []) {
    const again = other.ok.answers?.find(
      ({ subject, controller }) => subject === before.subject && controller === before.controller,
    );
    if (!again || again.version === before.version) continue;
    const low = Math.min(before.version, again.version);
    const high = Math.max(before.version, again.version);
    const named = Object.keys(first.invoke.asked ?? {});
    const granted = consent
      .changesOf(before)
      .some(({ version, event }) => version > low && version < high && named.some((p) => event.after[p]?.granted));
    // With nothing granted since, the record of the first change would have answered.
    if (!granted && consent.change(before, high)) return 'made a second change';
  }
  return undefined;
}
