import type { ConsentChanged, SubjectKey } from '@entente/contracts';
import type { InRecord, TP } from '@entente/kafka';
import { acceptedTraceparent, type Logger } from '@entente/observability';
import type { GapReason } from './step/gap.ts';
import type { Effect, PartitionState } from './step/gate-step.ts';
import type { Batch, Quarantined, StoredPartition, SubjectWrite } from './store/replica.ts';

/** A deny-direction change that was applied, and the trace it belongs to. */
export interface Denied {
  readonly change: ConsentChanged;
  readonly traceparent: string | undefined;
}

/** The effects of one chunk, gathered into one transaction. */
export class Collected {
  readonly denies: Denied[] = [];
  gap: GapReason | null = null;
  passTime: number | null = null;
  readonly #subjects: SubjectWrite[] = [];
  readonly #closeKeys = new Map<SubjectKey, string>();
  readonly #quarantine: Quarantined[] = [];
  #ledgerWentBack = false;

  /** True when nothing after this record may be read. */
  add(effects: readonly Effect[], record: InRecord): boolean {
    for (const effect of effects) {
      switch (effect.do) {
        case 'apply':
          this.#subjects.push(effect.change);
          if (effect.change.direction === 'deny')
            this.denies.push({
              change: effect.change,
              traceparent: acceptedTraceparent(record.headers['traceparent']),
            });
          break;
        case 'close-key':
          this.#closeKeys.set(effect.subjectKey, effect.why);
          break;
        case 'quarantine':
          this.#quarantine.push({ ...record, why: effect.why });
          break;
        case 'passed':
          this.passTime = Math.max(this.passTime ?? effect.passTime, effect.passTime);
          break;
        case 'refused-watermark':
          this.#ledgerWentBack = true;
          break;
        case 'gap':
          this.gap = effect.reason;
          return true;
      }
    }
    return false;
  }

  batch(): Batch {
    return { subjects: this.#subjects, closeKeys: this.#closeKeys, quarantine: this.#quarantine };
  }

  report(log: Logger, tp: TP): void {
    for (const { offset, why, key } of this.#quarantine)
      log.error({ ...tp, offset: String(offset), why, keyBytes: key?.length ?? 0 }, 'undecodable record quarantined');
    if (this.#ledgerWentBack) log.error(tp, 'watermark refused: the ledger went back, answered changes may be lost');
  }
}

export const storedOf = ({ logEpoch, newest, ledger, closed }: PartitionState): StoredPartition => ({
  logEpoch,
  newest,
  ledger,
  closed,
});

export const sameStored = (a: PartitionState, b: PartitionState): boolean =>
  a.logEpoch === b.logEpoch && a.newest === b.newest && a.ledger === b.ledger && a.closed === b.closed;
