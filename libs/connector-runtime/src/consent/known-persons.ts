import type { ControllerId, SubjectKey } from '@entente/contracts';
import type { Gate, Intent } from '@entente/gate';
import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { ConsentApi } from './consent-api.ts';

export interface KnownPersonsOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly gate: Pick<Gate, 'decide'>;
  readonly consent: Pick<ConsentApi, 'sealed'>;
  readonly log: Logger;
}

/** `unclear`: nobody could be asked who knows. */
export type PersonJudgement = 'known' | 'unknown' | 'unclear';

/**
 * Whether a pseudonym that a host has sent is somebody's. One that is nobody's must not enter the register: the next comparison
 * with the consent service would take it for a person erased, and delete at the partner whom its identifiers name (DLV-7).
 */
export class KnownPersons {
  readonly #options: KnownPersonsOptions;

  constructor(options: KnownPersonsOptions) {
    this.#options = options;
  }

  /** Asked in the order of what it costs: the gate's replica, our own rows, the consent service. */
  async judged(asked: readonly Omit<Intent, 'atLeastVersion'>[]): Promise<ReadonlyMap<SubjectKey, PersonJudgement>> {
    const judged = new Map<SubjectKey, PersonJudgement>();
    for (const intent of asked) judged.set(intent.subjectKey, this.#byGate(intent));
    const unsure = new Set(notKnown(judged));
    const unheard = await this.#unheard(asked.filter(({ subjectKey }) => unsure.has(subjectKey)));
    for (const key of unsure) if (!unheard.has(key)) judged.set(key, 'known');
    if (unheard.size === 0) return judged;
    try {
      // It leaves out whom it does not know, and whose identifiers it does not have: of the latter only a gate can tell.
      for (const key of (await this.#options.consent.sealed([...unheard])).keys()) judged.set(key, 'known');
    } catch (err) {
      this.#options.log.warn({ err, asked: unheard.size }, 'the consent service cannot be asked whom it knows');
      for (const key of unheard) judged.set(key, 'unclear');
    }
    return judged;
  }

  /** Every person of whom anything was ever decided has a version. */
  #byGate(intent: Omit<Intent, 'atLeastVersion'>): PersonJudgement {
    const decision = this.#options.gate.decide({ ...intent, atLeastVersion: 1 });
    if (decision.kind !== 'stale') return 'known';
    return decision.reason === 'below-version' ? 'unknown' : 'unclear';
  }

  /** Those of whom no event has reached this service. */
  async #unheard(asked: readonly Pick<Intent, 'subjectKey' | 'recipient'>[]): Promise<ReadonlySet<SubjectKey>> {
    if (asked.length === 0) return new Set();
    const { pool, controller } = this.#options;
    const keys = [...new Set(asked.map(({ subjectKey }) => subjectKey))];
    const { rows } = await pool.query<{ subjectKey: SubjectKey }>(
      `SELECT subject_key AS "subjectKey" FROM delivery
        WHERE controller = $1 AND recipient = ANY ($2) AND subject_key = ANY ($3) AND version > 0`,
      [controller, [...new Set(asked.map(({ recipient }) => recipient))], keys],
    );
    const heard = new Set(rows.map(({ subjectKey }) => subjectKey));
    return new Set(keys.filter((key) => !heard.has(key)));
  }
}

const notKnown = (judged: ReadonlyMap<SubjectKey, PersonJudgement>): SubjectKey[] =>
  [...judged].flatMap(([key, judgement]) => (judgement === 'known' ? [] : [key]));
