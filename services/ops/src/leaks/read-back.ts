import type { EnforcementRecorded } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

/**
 * The leak detector `readback`: the partner's own store was read and still serves somebody whose withdrawal there had been
 * settled before (ADR 12). Either the partner did not keep its word or something reached it since, past every gate: for the
 * person both are data in use after a withdrawal. Looked at once the outcome has taken the settlement back.
 */
export async function keepReadBack(tx: PoolClient, outcome: EnforcementRecorded): Promise<void> {
  if (outcome.reason !== 'still-served' || outcome.direction !== 'deny') return;
  await tx.query(
    `INSERT INTO leak (controller, subject_key, recipient, purpose, exposed_at, detector)
     SELECT p.controller, p.subject_key, p.recipient, array_to_string(c.purposes, ','), $5, 'readback'
     FROM propagation p JOIN change c ON c.controller = p.controller AND c.subject_key = p.subject_key AND c.version = p.version
     WHERE p.controller = $1 AND p.subject_key = $2 AND p.recipient = $3 AND p.version = $4
       AND p.contradicted_at = $5::timestamptz
     ON CONFLICT DO NOTHING`,
    [outcome.controller, outcome.subjectKey, outcome.recipient, outcome.version, outcome.at],
  );
}
