import { purposeId, recipientId, subjectId } from '@entente/contracts';
import type { ControllerId, NoticeRef, SubjectId, SubjectKey } from '@entente/contracts';
import type { Pseudonyms } from '../erasure/pseudonyms.ts';
import type { Recorded } from '../ledger/answer.ts';
import type { Actor, Command, Deny, Grant } from '../ledger/command.ts';
import { shownPurpose } from './formats/purpose-names.ts';
import type { ImportRow, RowDecision } from './import-row.ts';

/** On whose behalf an import's rows are recorded. */
export interface RowContext {
  readonly controller: ControllerId;
  readonly actor: Actor;
  readonly mayGrant: boolean;
  readonly candidates: (controller: ControllerId, id: SubjectId) => readonly [SubjectKey, ...SubjectKey[]];
  readonly pseudonyms: Pseudonyms;
}

/**
 * A row as commands of the decision core, one for most rows. Of a row with a fault only what it denies is left (REC-3), and
 * nothing when it denies nothing. Cause `import`: it lifts no refusal and prolongs no grant (REC-7).
 */
export function rowCommands(row: ImportRow, context: RowContext): Command[] {
  const { controller, actor } = context;
  const isSound = row.faults.length === 0;
  const id = subjectId(row.subjectId);
  const identifiers = isSound ? row.identifiers : {};
  const suppressible = context.pseudonyms(controller, identifiers);
  const common = {
    ...{ controller, subjectId: id, candidates: context.candidates(controller, id), actor, cause: 'import' as const },
    evidence: { ...(isSound ? row.evidence : {}), method: 'import' as const },
    ...(suppressible.length > 0 ? { suppressible } : {}),
    ...(Object.keys(identifiers).length > 0 ? { identifiers } : {}),
  };
  const shown = (notice: NoticeRef | undefined) => (notice === undefined ? {} : { notice });
  const denials = denialsOf(row.decisions);
  const grants = isSound ? grantsOf(row, context.mayGrant) : [];
  const [deny, ...moreDenials] = denials;
  const [grant, ...moreGrants] = grants;
  if (deny === undefined && grant === undefined) return [];
  const first = { ...(deny === undefined ? {} : { deny }), ...(grant === undefined ? {} : { grant }) };
  return [
    { ...common, ...shown(grant?.notice ?? row.notice), ...first },
    ...moreDenials.map((more) => ({ ...common, ...shown(row.notice), deny: more })),
    ...moreGrants.map((more) => ({ ...common, ...shown(more.notice), grant: more })),
  ];
}

/** A withdrawal and a refusal are kept apart; an objection goes with either. */
function denialsOf(decisions: readonly RowDecision[]): Deny[] {
  const of = (to: RowDecision['decision']) =>
    decisions.filter(({ decision }) => decision === to).map(({ purpose }) => purposeId(purpose));
  const [denied, withdrawn, objected] = [of('denied'), of('withdrawn'), of('objected')];
  const refused: Deny[] =
    denied.length + objected.length === 0
      ? []
      : [{ purposes: [...denied, ...objected], to: 'denied', ...(objected.length === 0 ? {} : { objected }) }];
  return [...refused, ...(withdrawn.length === 0 ? [] : [{ purposes: withdrawn, to: 'withdrawn' as const }])];
}

/** One for each notice: people grant what they were shown. */
function grantsOf(row: ImportRow, mayGrant: boolean): Grant[] {
  const byNotice = new Map<NoticeRef | undefined, Grant['items'][number][]>();
  row.decisions.forEach(({ purpose, decision, validUntil, refusedRecipients, notice = row.notice }, index) => {
    if (decision !== 'granted') return;
    const items = byNotice.get(notice) ?? [];
    byNotice.set(notice, items);
    items.push({
      ...{ index, purpose: purposeId(purpose) },
      ...(validUntil === undefined ? {} : { validUntil }),
      ...(refusedRecipients === undefined ? {} : { refused: [...new Set(refusedRecipients)].sort().map(recipientId) }),
    });
  });
  return [...byNotice].map(([notice, items]) => ({
    ...{ items, key: { kind: 'by-state' as const }, mayGrant },
    ...(notice === undefined ? {} : { notice }),
  }));
}

/** What became of a row. */
export interface RowOutcome {
  readonly kind: 'recorded' | 'unchanged' | 'rejected';
  /** What of it was not taken, in our words, never the file's. */
  readonly reason?: string;
}

/** From the answers to a row's commands. `changes` holds the changes that earlier rows of the step have answered with. */
export function rowOutcome(row: ImportRow, answers: readonly Recorded[], changes: Set<string>): RowOutcome {
  const untaken = [...row.faults, ...row.notes, ...answers.flatMap((answer) => untakenOf(answer))];
  const taken = answers.filter((answer) => answer.kind === 'recorded');
  if (taken.length === 0) return { kind: 'rejected', reason: untaken.join('; ') };
  const isNew = taken.some(({ committed, answer: { changeId } }) => committed && !changes.has(changeId));
  for (const { answer } of taken) changes.add(answer.changeId);
  const kind = isNew ? 'recorded' : 'unchanged';
  if (untaken.length === 0) return { kind };
  const reason = `recorded only in part, ${row.decisions.length} decisions asked; ${untaken.join('; ')}`;
  return { kind, reason };
}

function untakenOf(answer: Recorded): string[] {
  if (answer.kind === 'rejected') {
    const { code, detail, errors = [] } = answer.rejection;
    const text = errors.length === 0 ? detail : errors.map((error) => `${error.pointer}: ${error.detail}`).join('; ');
    return [code === 'standing-refusal' ? `${code}: ${text}` : text];
  }
  const { refused = [], ignored } = answer.answer;
  return [
    ...refused.map(({ purpose, code, detail }) => {
      const text = `${shownPurpose(purpose)}: ${detail}`;
      return code === 'standing-refusal' ? `${code}: ${text}` : text;
    }),
    ...ignored.map((purpose) => `${shownPurpose(purpose)}: is not a known purpose`),
  ];
}
