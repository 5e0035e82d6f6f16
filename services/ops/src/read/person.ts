import { maskedSubject, type ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { withdrawalLines } from './overview.ts';
import type { PersonView } from './views/person.ts';

/** Newest withdrawals of one person that are shown. */
const shown = 50;

export async function personView(
  pool: Pool,
  question: { controller: ControllerId; subjectKey: string; nowMs: number },
): Promise<PersonView> {
  const { controller, subjectKey, nowMs } = question;
  return {
    at: new Date(nowMs).toISOString(),
    subject: maskedSubject(subjectKey),
    withdrawals: await withdrawalLines(pool, {
      from: `SELECT * FROM change WHERE controller = $1 AND subject_key = $3 AND direction = 'deny' ORDER BY version DESC LIMIT $2`,
      values: [controller, shown, subjectKey],
    }),
  };
}
