import { BySubject } from '../evidence/by-subject.ts';
import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { inOrder } from '../excerpt.ts';
import type { Answer, ApiOk, DbState } from '../history.ts';
import type { Violation } from '../violation.ts';

/** DURABLE-ACK: what was answered had committed by then, and stands in the final database with that version and state. */
export const durableAck: Invariant = (evidence) => {
  const { events, operations } = evidence;
  const states = new BySubject<DbState>();
  for (const state of events.of('db.state')) states.set(state, state);
  const ledger = new BySubject<Set<number>>();
  for (const row of events.of('db.ledger')) ledger.entry(row, () => new Set()).add(row.version);
  const [stated, entered] = [events.of('db.state').length > 0, events.of('db.ledger').length > 0];
  const found: Violation[] = [];
  for (const { invoke, ok } of operations.values()) {
    if (!ok) continue;
    for (const answer of ok.answers ?? []) {
      const fault =
        uncommitted(evidence, answer, ok) ??
        (stated ? missingState(states.get(answer), answer) : undefined) ??
        (entered && !ledger.get(answer)?.has(answer.version)
          ? { why: 'is not in the ledger', proof: undefined }
          : undefined);
      if (!fault) continue;
      const what = `version ${answer.version} of ${answer.subject} was answered ${ok.status} and ${fault.why}`;
      found.push({ rule: 'DURABLE-ACK', what, events: inOrder(invoke, ok, fault.proof) });
    }
  }
  return found;
};

interface Fault {
  readonly why: string;
  readonly proof: Violation['events'][number] | undefined;
}

function uncommitted({ consent, settings }: Evidence, answer: Answer, ok: ApiOk): Fault | undefined {
  const change = consent.change(answer, answer.version);
  if (!change) return { why: 'never committed', proof: undefined };
  const { event, from } = change;
  if (event.lost) return { why: 'is not on the timeline that survived', proof: event };
  if (from > ok.at + settings.clockResolutionMs) return { why: 'committed only after the answer', proof: event };
  const wrong = Object.entries(answer.recorded).find(
    ([purpose, granted]) => granted !== (event.after[purpose]?.granted ?? false),
  );
  return wrong && { why: `committed another state of ${wrong[0]}`, proof: event };
}

function missingState(state: DbState | undefined, answer: Answer): Fault | undefined {
  if (!state) return { why: 'has no row in the final database', proof: undefined };
  return state.version < answer.version
    ? { why: `stands at version ${state.version} in the final database`, proof: state }
    : undefined;
}
