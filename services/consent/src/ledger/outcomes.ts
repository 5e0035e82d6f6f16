import type { LinkedChange, Recorded, RecordedAnswer } from './answer.ts';
import type { Addressed, Folded, FoldedOutcome } from './fold.ts';

/** An earlier change that a repeated wish answers with. */
export interface StandingRecord {
  readonly changeId: string;
  readonly version: number;
  readonly committedAt: string;
  /** The ledger holds no other of the subject, before or after it; a record of this batch does not say. */
  readonly isOnly?: boolean;
}

const publicChangeId = (changeId: string): string => `chg_${changeId}`;

/** Stands for t1 of this batch until the database has told it. */
const unstamped = '';

export const stamped = (draft: Recorded, committedAt: string): Recorded =>
  draft.kind === 'recorded' && draft.answer.committedAt === unstamped
    ? { ...draft, answer: { ...draft.answer, committedAt } }
    : draft;

/** What each command answers, in order; t1 of changes of this batch is still to be stamped. */
export function draftAnswers(
  addressed: readonly Addressed[],
  folded: Folded,
  standing: ReadonlyMap<number, StandingRecord>,
): Recorded[] {
  const answers: Recorded[] = [];
  for (const [at, outcome] of folded.outcomes.entries()) {
    const { subjectKey } = addressed[at] ?? missing('command');
    answers.push(answerOf(outcome, subjectKey));
  }
  return answers;

  function answerOf(outcome: FoldedOutcome, subjectKey: RecordedAnswer['subjectKey']): Recorded {
    switch (outcome.kind) {
      case 'rejected':
        return outcome;
      case 'replayed':
        return { kind: 'recorded', answer: outcome.answer, committed: false };
      case 'repeated':
        return answers[outcome.of] ?? missing('earlier answer');
      case 'changed':
        return { kind: 'recorded', answer: compose(outcome, recordOfBatch(outcome.change)), committed: true };
      case 'standing': {
        const inBatch = 'change' in outcome.record || outcome.linked.length > 0;
        const record = 'change' in outcome.record ? recordOfBatch(outcome.record.change) : standing.get(answers.length);
        const answer = compose(outcome, record ?? missing('standing record'));
        return { kind: 'recorded', answer, committed: inBatch };
      }
    }

    function compose(parts: Extract<FoldedOutcome, { decisions: unknown }>, record: StandingRecord): RecordedAnswer {
      const { changeId, version, committedAt, isOnly = true } = record;
      return {
        ...{ changeId: publicChangeId(changeId), subjectKey, version, committedAt },
        decisions: parts.decisions,
        ignored: parts.ignored,
        ...(parts.kind === 'standing' && parts.alreadyDenied ? { alreadyDenied: true } : {}),
        ...(parts.mayBeMistyped && isOnly ? { firstSeen: true } : {}),
        ...(parts.refused.length > 0 ? { refused: parts.refused } : {}),
        ...(parts.linked.length > 0 ? { linked: parts.linked.map(linkedChange) } : {}),
      };
    }
  }

  function linkedChange(index: number): LinkedChange {
    const { changeId, subjectKey, version } = folded.changes[index] ?? missing('change');
    return { changeId: publicChangeId(changeId), subjectKey, version };
  }

  function recordOfBatch(index: number): StandingRecord {
    const { changeId, version } = folded.changes[index] ?? missing('change');
    return { changeId, version, committedAt: unstamped };
  }
}

function missing(what: string): never {
  throw new Error(`a batch without its ${what}`);
}
