import { seal } from '@entente/contracts';
import type { Catalogue, NoticeRef, PurposeId } from '@entente/contracts';
import { shownOf } from '../evidence/shown.ts';
import type { Shown } from '../evidence/shown.ts';
import type { BatchSecrets } from './batch-secrets.ts';
import { locales } from './evidence.ts';
import type { Evidence } from './evidence.ts';
import type { Change } from './fold.ts';

/** What a ledger entry keeps of how its change came about: nothing that names or describes a person (L-6). */
export interface EvidenceRecord extends Omit<Evidence, 'personal' | 'conditionOf' | 'locale' | 'purposesShown'> {
  /** The legal basis of each purpose changed, as it stood then (G-9). */
  readonly bases?: Readonly<Record<PurposeId, string>>;
  readonly shown?: Shown;
  /** Compact JWE under the person's data key. */
  readonly sealedEvidence?: string;
}

/** G-2. The notice is the one the request names, with its content as it stands in the catalogue of this transaction. */
export function evidenceOf({ command, changes }: Change, catalogue: Catalogue): EvidenceRecord {
  const { evidence, event } = command;
  const bases = changes.flatMap(({ purpose }) => {
    const basis = catalogue.purposes.get(purpose)?.legalBasis;
    return basis === undefined ? [] : [[purpose, basis] as const];
  });
  const record = bases.length === 0 ? {} : { bases: Object.fromEntries(bases) };
  if (event !== undefined) return record;
  const notice: NoticeRef | undefined = command.notice ?? command.grant?.notice;
  const purposes = evidence?.purposesShown ?? changes.map(({ purpose }) => purpose);
  const told = evidence?.locale !== undefined;
  const shown = notice && shownOf(catalogue, notice, { locale: evidence?.locale ?? locales[0], purposes, told });
  const { method, channel, variant, clientTime } = evidence ?? {};
  return {
    ...record,
    ...(shown === undefined || shown === null ? {} : { shown }),
    ...(method === undefined ? {} : { method }),
    ...(channel === undefined ? {} : { channel }),
    ...(variant === undefined ? {} : { variant }),
    ...(clientTime === undefined ? {} : { clientTime }),
  };
}

/** What names or describes the person, or ties two keys of theirs together; destroyed with their data key (REC-8). */
export async function sealedEvidence(
  change: Change,
  secrets: BatchSecrets,
): Promise<Pick<EvidenceRecord, 'sealedEvidence'>> {
  const { command, subjectKey, subjectId, otherKey, forgotten } = change;
  const personal = subjectId === undefined || command.event !== undefined ? undefined : command.evidence?.personal;
  const link = otherKey === undefined ? undefined : { [command.event?.kind ?? 'link']: otherKey };
  if (personal === undefined && link === undefined) return {};
  const key = await secrets.keyOrNull({ controller: command.controller, subjectKey, forgotten });
  return key === null ? {} : { sealedEvidence: await seal([key], { ...personal, ...link }) };
}
