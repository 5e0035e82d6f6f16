import type { Caller } from '@entente/http';
import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { Cursors } from '../read/cursors.ts';
import type { AuditLine } from '../read/views/audit.ts';
import type { ListPage } from '../read/views/words.ts';

type View = 'view-withdrawal' | 'view-leaks' | 'view-audit';
type Action =
  | 'find-person'
  | 'replay-dry-run'
  | 'replay'
  | 'run-canary'
  | 'reconcile'
  | 'dismiss-record'
  | 'demo-faults'
  | 'demo-re-import'
  | 'sign-in'
  | 'sign-out';

interface Entry {
  /** Whom or what: a subject key, a recipient. */
  readonly target: string;
  readonly reason?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Who looked at whom and who did what. Written before the answer: what cannot be written down is not shown or done. */
export class Audit {
  constructor(private readonly pool: Pool) {}

  /** A page that refreshes itself is one line a minute. */
  async view(caller: Caller, action: View, { target, detail = {} }: Entry): Promise<void> {
    await this.pool.query(
      `INSERT INTO audit (controller, minute, actor, via, action, target, detail)
       VALUES ($1, date_trunc('minute', clock_timestamp()), $2, $3, $4, $5, $6)
       ON CONFLICT (controller, actor, action, target, minute) WHERE action LIKE 'view-%' DO UPDATE SET times = audit.times + 1`,
      [caller.controller, caller.subject, caller.clientId, action, target, JSON.stringify(detail)],
    );
  }

  /** @returns what tells the end of the action, once it is known */
  async begin(
    caller: Pick<Caller, 'controller' | 'subject' | 'clientId'>,
    action: Action,
    { target, reason, detail = {} }: Entry,
  ): Promise<(outcome: Readonly<Record<string, unknown>>) => Promise<void>> {
    const { rows } = await this.pool.query<{ id: number }>(
      `INSERT INTO audit (controller, minute, actor, via, action, target, reason, detail)
       VALUES ($1, date_trunc('minute', clock_timestamp()), $2, $3, $4, $5, $6, $7) RETURNING id`,
      [caller.controller, caller.subject, caller.clientId, action, target, reason ?? null, JSON.stringify(detail)],
    );
    return async (outcome) => {
      await this.pool.query('UPDATE audit SET detail = detail || $2 WHERE id = $1', [
        rows[0]!.id,
        JSON.stringify(outcome),
      ]);
    };
  }

  /** Newest first. */
  async list(question: {
    controller: ControllerId;
    after: readonly string[] | null;
    cursors: Pick<Cursors, 'seal'>;
    limit: number;
    nowMs: number;
  }): Promise<ListPage<AuditLine>> {
    const { rows } = await this.pool.query<Omit<AuditLine, 'at'> & { at: Date }>(
      `SELECT id, at, actor, via, action, target, reason, detail, times FROM audit
       WHERE controller = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
      [question.controller, question.after?.[0] ?? null, question.limit + 1],
    );
    const shown = rows.slice(0, question.limit);
    const last = shown.at(-1);
    return {
      at: new Date(question.nowMs).toISOString(),
      items: shown.map((row) => ({ ...row, at: row.at.toISOString() })),
      next: rows.length > question.limit && last ? question.cursors.seal([last.id]) : null,
    };
  }
}
