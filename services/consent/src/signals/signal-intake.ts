import type { SubjectKey } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Clock, Logger } from '@entente/observability';
import type { CatalogueReader } from '../catalogue/catalogue-store.ts';
import type { SubjectDirectory } from '../identifiers/subject-directory.ts';
import type { RecordedAnswer } from '../ledger/answer.ts';
import { readSignal } from './read-signal.ts';
import type { ReceivedSignal, RecordedSignal, SignalRecorder } from './signal-recorder.ts';
import { takenAway } from './signal-rule.ts';
import type { HeldBack, TakenAway } from './signal-rule.ts';
import type { SignalOrigin, SignalStore } from './signal-store.ts';
import type { ReadSignal, Statement } from './statement.ts';

/** What a signal says of one purpose, and what stands after it. */
interface SignalResult extends Statement {
  /** Absent when nothing was recorded for the purpose by this signal, or by the one it repeats. */
  readonly decision?: string;
  readonly heldBack?: HeldBack;
}

export interface SignalAnswer {
  readonly subjectKey: SubjectKey;
  readonly signalId?: string;
  readonly results: readonly SignalResult[];
  readonly faults: readonly string[];
  /** The newest change behind the answer, made by this signal or standing already. */
  readonly change?: RecordedAnswer;
  readonly committed: boolean;
}

export interface SignalIntakeParts {
  readonly store: SignalStore;
  readonly signalRecorder: SignalRecorder;
  readonly directory: SubjectDirectory;
  readonly catalogue: CatalogueReader;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Takes signals in: read, keep, record. The subject's record stays the only truth. */
export class SignalIntake {
  readonly #parts: SignalIntakeParts;

  constructor(parts: SignalIntakeParts) {
    this.#parts = parts;
  }

  async receive(signal: ReceivedSignal): Promise<SignalAnswer> {
    const { catalogue: reader, clock, directory, signalRecorder } = this.#parts;
    const { controller, kind, source } = signal;
    const [catalogue, [subject]] = await Promise.all([
      reader.of(controller),
      directory.keysOf(controller, [signal.subjectId]),
    ]);
    if (subject === undefined) throw new Error('a look-up without its answer');
    const reading = readSignal(kind, signal.raw, catalogue, clock.now());
    if (reading.kind === 'unreadable') throw unusable('signal-unreadable', [reading.detail]);
    const taken = takenAway(reading, catalogue);
    refuseWorthless(reading, taken);
    const kept = await this.#keep({ controller, subjectKey: subject.subjectKey, kind, source }, signal, reading, taken);
    const recorded = await signalRecorder.record(signal, reading, taken, catalogue, kept.signalId);
    // What denies is recorded by now; repeating the signal is harmless, and keeps it.
    if (kept.failure !== undefined) throw kept.failure;
    return answerOf(subject.subjectKey, reading, recorded, kept.signalId);
  }

  /** Evidence comes before the change it stands for. Failing to keep it stops what grants, not what denies. */
  async #keep(
    origin: SignalOrigin,
    { raw }: ReceivedSignal,
    { statements }: ReadSignal,
    taken: TakenAway,
  ): Promise<Kept> {
    if (statements.length === 0) return {};
    try {
      const denied = taken.deny === undefined || taken.deny.purposes === 'all' ? [] : taken.deny.purposes;
      return { signalId: await this.#parts.store.keep(origin, raw, denied) };
    } catch (error) {
      this.#parts.log.error({ err: error, kind: origin.kind }, 'a signal cannot be kept');
      return { failure: error instanceof Error ? error : new Error('a signal cannot be kept', { cause: error }) };
    }
  }
}

interface Kept {
  readonly signalId?: string;
  readonly failure?: Error;
}

/** SIG-5: a TC string that is not valid and denies nothing has nothing to say; why, its sender has to know. */
function refuseWorthless({ faults, actedAt }: ReadSignal, { deny, narrowed }: TakenAway): void {
  if (faults.length > 0 && actedAt !== undefined && deny === undefined && narrowed.length === 0)
    throw unusable('signal-invalid', faults);
}

const unusable = (code: string, details: readonly string[]): Refusal =>
  new Refusal(code, 422, 'The signal cannot be used; nothing was changed.', {
    errors: details.map((detail) => ({ pointer: '/raw', detail })),
  });

function answerOf(
  subjectKey: SubjectKey,
  { statements, faults }: ReadSignal,
  { answers, heldBack, committed }: RecordedSignal,
  signalId: string | undefined,
): SignalAnswer {
  const newest = answers.at(-1);
  const decisions = new Map(
    answers.flatMap((answer) => answer.decisions.map(({ purpose, decision }) => [purpose, decision] as const)),
  );
  return {
    ...{ subjectKey: newest?.subjectKey ?? subjectKey, faults, committed },
    ...(signalId === undefined ? {} : { signalId }),
    // What the denial changed under other ids of the person counts beside a grant that came after it (REC-4).
    ...(newest === undefined ? {} : { change: { ...newest, linked: answers.flatMap(({ linked = [] }) => linked) } }),
    results: statements.map((statement) => {
      const decision = decisions.get(statement.purpose);
      const reason = heldBack.get(statement.purpose);
      return {
        ...statement,
        ...(decision === undefined ? {} : { decision }),
        ...(reason === undefined ? {} : { heldBack: reason }),
      };
    }),
  };
}
