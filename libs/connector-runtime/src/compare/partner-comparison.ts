import { setTimeout as pause } from 'node:timers/promises';
import { allowedPurposes, type ControllerId, type SubjectKey } from '@entente/contracts';
import type { Clock, Logger } from '@entente/observability';
import { notifyOutbox } from '@entente/outbox';
import { inTransaction, type Pool } from '@entente/postgres';
import { differences, type Difference } from '../delivery-step/compare-step.ts';
import { onContradicted } from '../delivery-step/contradiction.ts';
import { union } from '../delivery-step/purpose-set.ts';
import type { ReadBack } from '../partner/definition.ts';
import type { BoundRecipient } from '../partner/recipient.ts';
import { told } from '../receive/delivery-upsert.ts';
import { catalogueForShare } from '../store/catalogue-store.ts';
import { withOpenQuestion } from '../store/confirmation-rows.ts';
import { databaseNow, lockRows, readRegistered, writeRows, type DeliveryRow } from '../store/delivery-rows.ts';
import { recordEnforcements } from '../store/enforcement-outbox.ts';
import type { IdentifierSource } from '../store/identifier-source.ts';
import {
  findingsPerKind,
  noCounts,
  type Finding,
  type ReconciliationCounts,
  type ReconciliationReport,
  type ReconciliationReports,
} from '../store/reconciliation-reports.ts';

/** A page of people may take this long at the partner, behind everything that hurries. */
const pageMs = 60_000;
/** Pages in a row of which nobody could be read; then the partner cannot be read at all, and the run ends. */
const maxBlindPages = 3;

export interface PartnerComparisonOptions {
  readonly recipient: BoundRecipient;
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly identifiers: IdentifierSource;
  readonly reports: ReconciliationReports;
  readonly clock: Clock;
  readonly log: Logger;
  /** A revocation is due again. */
  readonly wake: () => void;
}

interface Page {
  readonly checked: number;
  readonly findings: readonly Finding[];
  readonly repaired: number;
}

/**
 * What the partner serves against what our rows allow, over the whole exposure register (at a preloaded recipient: everybody it may have been given). By itself it repairs in the deny
 * direction alone: who is served against our word is revoked again; everything else is reported for a person to judge.
 */
export class PartnerComparison {
  readonly #options: PartnerComparisonOptions;

  constructor(options: PartnerComparisonOptions) {
    this.#options = options;
  }

  /**
   * Begins a run and leaves it going.
   * @param dryRun says what it would revoke again, and revokes nothing
   * @returns the id of the run and its end, or null while one runs already
   */
  async begin(
    askedBy: ReconciliationReport['askedBy'],
    signal: AbortSignal,
    dryRun = false,
  ): Promise<{ readonly id: string; readonly ended: Promise<void> } | null> {
    const { reports, recipient, log } = this.#options;
    const id = await reports.begin(recipient.id, askedBy, dryRun);
    if (id === null) return null;
    const ended = this.#whole(id, signal, dryRun)
      .then((reason) => reports.end(id, reason === null ? 'done' : 'failed', reason))
      .catch(async (err: unknown) => {
        log.error({ err, recipient: recipient.id }, 'comparison with the partner failed inside');
        await reports
          .end(id, 'failed', 'fault')
          .catch((error: unknown) => log.warn({ err: error }, 'report not ended'));
      });
    return { id, ended };
  }

  /** @returns why it is not whole, or null */
  async #whole(id: string, signal: AbortSignal, dryRun: boolean): Promise<string | null> {
    const { reports, recipient, log } = this.#options;
    let counts: ReconciliationCounts = noCounts;
    let findings: readonly Finding[] = [];
    let after: SubjectKey | null = null;
    let blind = 0;
    const preloaded = await this.#preloaded();
    for (;;) {
      const rows: DeliveryRow[] = await this.#page(after, preloaded);
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.subjectKey;
      const page = await this.#compared(rows, signal, dryRun);
      if (page === null) return 'stopping';
      const unreadable = page.findings.filter(({ kind }) => kind === 'unreadable');
      counts = counted(counts, page);
      findings = bounded(findings, page.findings);
      if (!(await reports.progress(id, counts, findings))) return 'overtaken';
      blind = unreadable.length === page.checked ? blind + 1 : 0;
      if (blind === maxBlindPages) return unreadable[0]?.reason ?? 'partner-unreadable';
    }
    log.info({ recipient: recipient.id, ...counts }, 'partner compared with our rows');
    return null;
  }

  /** DLV-6: at a preloaded recipient everybody we know may be, shared by us or not. */
  async #preloaded(): Promise<boolean> {
    const { pool, controller, recipient } = this.#options;
    const catalogue = await inTransaction(pool, (tx) => catalogueForShare(tx, controller));
    return catalogue?.recipients.get(recipient.id)?.preloaded ?? false;
  }

  async #page(after: SubjectKey | null, preloaded: boolean): Promise<DeliveryRow[]> {
    const { pool, controller, recipient } = this.#options;
    return readRegistered(pool, controller, recipient.id, after, recipient.limits.revokeBatch, preloaded);
  }

  /** Null when the service stops. */
  async #compared(rows: readonly DeliveryRow[], signal: AbortSignal, dryRun: boolean): Promise<Page | null> {
    const { recipient, pool, controller, identifiers } = this.#options;
    const known = await identifiers.of(recipient.id, rows, recipient.identifiers);
    const readFrom = await databaseNow(pool);
    const items = rows.flatMap((row) => {
      const { sets = [] } = known.get(row.subjectKey) ?? {};
      const recipientPurposes = union(recipient.purposes(), union(row.exposed, row.revoked));
      return sets.length === 0 ? [] : [{ subjectKey: row.subjectKey, identifiers: sets, recipientPurposes }];
    });
    const read = await this.#read(items, signal);
    if (read === null) return null;
    const answers = new Map(items.map(({ subjectKey }, index) => [subjectKey, read[index]]));
    const keys = rows.map(({ subjectKey }) => subjectKey);
    const open = await withOpenQuestion(pool, controller, recipient.id, keys);
    const served = new Map<SubjectKey, ReadBack & { kind: 'read' }>();
    const findings: Finding[] = [];
    for (const { subjectKey } of rows) {
      const answer = answers.get(subjectKey);
      if (answer?.kind === 'read') served.set(subjectKey, answer);
      else
        findings.push({
          kind: 'unreadable',
          subjectKey,
          purposes: [],
          reason: reasonOf(answer, known.has(subjectKey)),
        });
    }
    const judged = await this.#judged(
      rows.filter(({ subjectKey }) => served.has(subjectKey)),
      dryRun,
      (row, allowed) =>
        differences(row, {
          ...{ allowed, readFrom, questionOpen: open.has(row.subjectKey) },
          served: served.get(row.subjectKey)?.served ?? [],
        }),
    );
    return { checked: rows.length, findings: [...findings, ...judged.findings], repaired: judged.repaired };
  }

  async #read(items: Parameters<BoundRecipient['readBack']>[0], signal: AbortSignal): Promise<ReadBack[] | null> {
    const { recipient, clock, log } = this.#options;
    if (items.length === 0) return [];
    const slot = await recipient.budget.take('question', signal);
    if (slot === null) return null;
    try {
      const timed = AbortSignal.any([signal, AbortSignal.timeout(pageMs)]);
      const read = await recipient.readBack(items, { deadline: clock.monotonic() + pageMs, signal: timed });
      if (signal.aborted) return null;
      const asked = read.flatMap((each) =>
        each.kind === 'retry' && each.why.startsWith('throttled') ? [each.afterMs ?? 0] : [],
      );
      // Only the comparison is silent: reading has quotas of its own, and they delay no revocation.
      if (asked.length > 0) await pause(Math.max(...asked), undefined, { signal, ref: false }).catch(() => undefined);
      return read;
    } catch (err) {
      log.error({ err, recipient: recipient.id }, 'reading the partner back failed inside');
      return items.map((): ReadBack => ({ kind: 'unclear', why: 'fault' }));
    } finally {
      // As for questions: the breaker learns nothing.
      slot.forgo();
    }
  }

  /** Judged under the rows' locks, so that what changed while the partner was read is judged by its newest state. */
  async #judged(
    rows: readonly DeliveryRow[],
    dryRun: boolean,
    differ: (row: DeliveryRow, allowed: ReturnType<typeof allowedPurposes>) => Difference[],
  ): Promise<{ readonly findings: Finding[]; readonly repaired: number }> {
    const { pool, controller, recipient, log, wake } = this.#options;
    if (rows.length === 0) return { findings: [], repaired: 0 };
    const versions = new Map(rows.map(({ subjectKey, version }) => [subjectKey, version]));
    const judged = await inTransaction(pool, async (tx) => {
      const catalogue = await catalogueForShare(tx, controller);
      if (catalogue === null) throw new Error('no catalogue is stored yet');
      const locked = (await lockRows(tx, controller, rows)).filter(
        ({ subjectKey, version }) => versions.get(subjectKey) === version,
      );
      const now = await databaseNow(tx);
      const findings: Finding[] = [];
      const due: DeliveryRow[] = [];
      const enforcements = locked.flatMap((before) => {
        const desired = allowedPurposes(before.vector ?? undefined, catalogue, recipient.id, now);
        const found = differ(before, desired);
        findings.push(...found.map((each) => ({ ...each, subjectKey: before.subjectKey })));
        if (!found.some(({ kind }) => kind === 'extra')) return [];
        const again = { reason: 'still-served', desired, erasure: false, now, waitMs: 0, park: false } as const;
        const { delivery, enforcements: made } = onContradicted(before, again);
        due.push({ ...before, ...delivery });
        return made.map((each) => told(before, each, now));
      });
      if (!dryRun) {
        await writeRows(tx, controller, due);
        await recordEnforcements(tx, controller, enforcements);
      }
      return { findings, repaired: due.length };
    });
    if (judged.repaired > 0 && !dryRun) {
      log.error({ recipient: recipient.id, people: judged.repaired }, 'the partner serves what it was told to stop');
      notifyOutbox(pool, log, ['normal']);
      wake();
    }
    return judged;
  }
}

const reasonOf = (answer: ReadBack | undefined, identified: boolean): string => {
  if (answer !== undefined && answer.kind !== 'read') return answer.why;
  return identified ? 'missing-identifier' : 'identifiers-unreachable';
};

function counted(before: ReconciliationCounts, { checked, findings, repaired }: Page): ReconciliationCounts {
  const of = (kind: Finding['kind']): number => findings.filter((finding) => finding.kind === kind).length;
  return {
    checked: before.checked + checked,
    extra: before.extra + of('extra'),
    repaired: before.repaired + repaired,
    stale: before.stale + of('stale'),
    missing: before.missing + of('missing'),
    unreadable: before.unreadable + of('unreadable'),
  };
}

/** The first of each kind: a report is read by people. */
function bounded(before: readonly Finding[], found: readonly Finding[]): readonly Finding[] {
  const kept = [...before];
  for (const finding of found)
    if (kept.filter(({ kind }) => kind === finding.kind).length < findingsPerKind) kept.push(finding);
  return kept;
}
