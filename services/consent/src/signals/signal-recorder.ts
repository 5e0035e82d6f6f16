import { randomUUID } from 'node:crypto';
import type { Catalogue, ControllerId, NoticeRef, PurposeId, SubjectId } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Clock } from '@entente/observability';
import type { SubjectDirectory } from '../identifiers/subject-directory.ts';
import type { RecordedAnswer, Rejection } from '../ledger/answer.ts';
import type { Command } from '../ledger/command.ts';
import type { ConsentReader } from '../reading/consent-reader.ts';
import type { Recorder } from '../ledger/recorder.ts';
import { granting } from './signal-rule.ts';
import type { Granting, HeldBack, Standing, TakenAway } from './signal-rule.ts';
import type { ReadSignal, SignalKind } from './statement.ts';

export interface ReceivedSignal {
  readonly controller: ControllerId;
  readonly subjectId: SubjectId;
  readonly kind: SignalKind;
  readonly source: string;
  readonly raw: string;
  readonly notice?: NoticeRef;
  readonly mayGrant: boolean;
  readonly client: string;
  readonly traceparent?: string;
}

/** What recording a signal came to. */
export interface RecordedSignal {
  /** In the order in which they were recorded. */
  readonly answers: readonly RecordedAnswer[];
  readonly heldBack: ReadonlyMap<PurposeId, HeldBack>;
  readonly committed: boolean;
}

/** How often the grant of a signal is decided anew because the record changed in between. */
const mostAttempts = 3;

export interface SignalRecorderParts {
  readonly recorder: Recorder;
  readonly reader: ConsentReader;
  readonly directory: SubjectDirectory;
  readonly clock: Clock;
}

/** From what a signal says to the ledger, by the path of every other request. */
export class SignalRecorder {
  readonly #parts: SignalRecorderParts;

  constructor(parts: SignalRecorderParts) {
    this.#parts = parts;
  }

  /** What takes away comes first, and alone: nothing about the rest can stop it (REC-3). */
  async record(
    signal: ReceivedSignal,
    reading: ReadSignal,
    taken: TakenAway,
    catalogue: Catalogue,
    signalId: string | undefined,
  ): Promise<RecordedSignal> {
    const command = this.#command(signal, signalId);
    const away = await this.#takeAway(command, taken);
    // Nothing is granted without its evidence.
    const granted =
      signalId === undefined
        ? { heldBack: new Map<PurposeId, HeldBack>() }
        : await this.#grant(command, signal, reading, catalogue);
    const recorded = [away, 'recorded' in granted ? granted.recorded : undefined].filter((one) => one !== undefined);
    return {
      answers: recorded.map(({ answer }) => answer),
      heldBack: granted.heldBack,
      committed: recorded.some(({ committed }) => committed),
    };
  }

  async #takeAway(command: Command, { deny, narrowed }: TakenAway): Promise<Taken | undefined> {
    if (deny === undefined && narrowed.length === 0) return undefined;
    const recorded = await this.#parts.recorder.record({
      ...command,
      ...(deny === undefined ? {} : { deny }),
      // A grant that its caller may not give: what it would take from standing grants is taken, and nothing is given.
      ...(narrowed.length === 0 ? {} : { grant: { items: narrowed, key: { kind: 'absent' }, mayGrant: false } }),
    });
    if (recorded.kind === 'recorded') return recorded;
    // Nothing granted is there for it to narrow.
    if (deny === undefined) return undefined;
    throw refusalOf(recorded.rejection);
  }

  /**
   * Judged by the record as read and granted only if it still stands so (If-Match): a refusal that comes in between is never
   * overtaken.
   */
  async #grant(
    command: Command,
    signal: ReceivedSignal,
    reading: ReadSignal,
    catalogue: Catalogue,
  ): Promise<Granting & { readonly recorded?: Taken }> {
    if (reading.statements.every(({ says }) => says !== 'allows')) return { items: [], heldBack: new Map() };
    for (let attempt = 1; ; attempt += 1) {
      const held = await this.#parts.reader.read(signal.controller, command.candidates);
      const standing = new Map<PurposeId, Standing>(
        held?.purposes.map(({ purpose, decision, since, refusedRecipients: refused = [] }) => [
          purpose,
          { decision, since, refused },
        ]),
      );
      const { notice, mayGrant } = signal;
      const judged = granting(reading, {
        ...{ catalogue, mayGrant, standing, now: this.#parts.clock.now() },
        ...(notice === undefined ? {} : { notice }),
      });
      if (judged.items.length === 0 || notice === undefined) return judged;
      const recorded = await this.#parts.recorder.record({
        ...command,
        notice,
        grant: {
          ...{ items: judged.items, notice, mayGrant: true },
          // A signal is no request that somebody repeats by its key: what it grants is decided by what stands.
          key: { kind: 'given', key: randomUUID(), fingerprint: '' },
          ifMatch: { kind: 'version', version: held?.version ?? 0 },
        },
      });
      if (recorded.kind === 'recorded') return { ...judged, recorded };
      if (recorded.rejection.code !== 'version-conflict' || attempt === mostAttempts)
        throw refusalOf(recorded.rejection);
    }
  }

  #command({ controller, subjectId, client, traceparent }: ReceivedSignal, signalId: string | undefined): Command {
    return {
      ...{ controller, subjectId, cause: 'signal' },
      candidates: this.#parts.directory.candidates(controller, subjectId),
      actor: { client, route: 'POST /v1/signals', ...(signalId === undefined ? {} : { signal: signalId }) },
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }
}

interface Taken {
  readonly answer: RecordedAnswer;
  readonly committed: boolean;
}

const refusalOf = ({ code, status, detail, errors }: Rejection): Refusal =>
  new Refusal(code, status, detail, errors === undefined ? {} : { errors });
