import type { Catalogue, ControllerId, PurposeId, RecipientId, SubjectId, SubjectKey } from '@entente/contracts';
import type { Clock } from '@entente/observability';
import type { CatalogueReader } from '../catalogue/catalogue-store.ts';
import type { SubjectDirectory } from '../identifiers/subject-directory.ts';
import type { ConsentReader } from '../reading/consent-reader.ts';
import { soldPurposes } from './opt-outs.ts';
import type { SignalStore, StandingSignal } from './signal-store.ts';
import { consentModeView, gppView, tcfView } from './views.ts';
import type { GppView, Permitted, TcfView } from './views.ts';

export interface SignalViewsParts {
  readonly store: SignalStore;
  readonly reader: ConsentReader;
  readonly directory: SubjectDirectory;
  readonly catalogue: CatalogueReader;
  readonly clock: Clock;
}

interface Seen {
  readonly subjectKey: SubjectKey;
  /** 0 for a person nothing was ever recorded for: every view denies everything. */
  readonly version: number;
}

/** What the outside world's signals say of one person, made from their record. */
export class SignalViews {
  readonly #parts: SignalViewsParts;

  constructor(parts: SignalViewsParts) {
    this.#parts = parts;
  }

  async consentMode(controller: ControllerId, id: SubjectId) {
    const { seen, catalogue, permitted } = await this.#record(controller, id);
    return { ...seen, consentMode: consentModeView(catalogue, permitted) };
  }

  async tcf(controller: ControllerId, id: SubjectId): Promise<Seen & TcfView> {
    const { seen, catalogue, permitted } = await this.#record(controller, id);
    const signals = await this.#parts.store.standing(controller, seen.subjectKey);
    return { ...seen, ...tcfView(catalogue, permitted, signals, this.#parts.clock.now()) };
  }

  async gpp(controller: ControllerId, id: SubjectId): Promise<Seen & GppView> {
    const { seen, catalogue, permitted } = await this.#record(controller, id);
    const signals = await this.#parts.store.standing(controller, seen.subjectKey);
    return { ...seen, ...gppView(catalogue, permitted, signals, this.#parts.clock.now()) };
  }

  /** P-5: a site shows whether Global Privacy Control was honoured, and since when. */
  async standing(controller: ControllerId, id: SubjectId) {
    const { seen, catalogue, permitted } = await this.#record(controller, id);
    const signals = await this.#parts.store.standing(controller, seen.subjectKey);
    return { ...seen, signals: signals.map(withoutRaw), gpcHonoured: gpcHonoured(signals, catalogue, permitted) };
  }

  async #record(controller: ControllerId, id: SubjectId): Promise<Record> {
    const { directory, reader, catalogue } = this.#parts;
    const candidates = directory.candidates(controller, id);
    const [held, of] = await Promise.all([reader.read(controller, candidates), catalogue.of(controller)]);
    const purposes = held?.purposes ?? [];
    return {
      seen: { subjectKey: held?.subjectKey ?? candidates[0], version: held?.version ?? 0 },
      catalogue: of,
      permitted: {
        purposes: new Set(purposes.filter(({ effective }) => effective).map(({ purpose }) => purpose)),
        refused: new Map<PurposeId, readonly RecipientId[]>(
          purposes.map(({ purpose, refusedRecipients = [] }) => [purpose, refusedRecipients]),
        ),
      },
    };
  }
}

interface Record {
  readonly seen: Seen;
  readonly catalogue: Catalogue;
  readonly permitted: Permitted;
}

const withoutRaw = ({ raw: _raw, ...signal }: StandingSignal) => signal;

/** Null without the signal, and when something it concerns is permitted all the same: a later choice of the person. */
function gpcHonoured(
  signals: readonly StandingSignal[],
  catalogue: Catalogue,
  { purposes }: Permitted,
): { readonly since: string } | null {
  const [gpc] = signals.filter(({ kind }) => kind === 'gpc').sort((a, b) => (a.receivedAt < b.receivedAt ? -1 : 1));
  const isHonoured = soldPurposes(catalogue).every(({ id }) => !purposes.has(id));
  return gpc !== undefined && isHonoured ? { since: gpc.receivedAt } : null;
}
