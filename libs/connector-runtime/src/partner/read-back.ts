import type { Confirmation, ConfirmationOutcome, ReadBack, ReadBackItem } from './definition.ts';

/**
 * A partner that shows a person as before a day after it accepted has not done it. No partner that can be read documents
 * more than minutes (partner-apis.md §10), so a day blames none that is merely slow.
 */
const readBackPatienceMs = 86_400_000;

/** Confirms by what the partner's own store shows; until its time is over, what it still shows only means "not yet". */
export async function confirmedByReading(
  batch: readonly Confirmation[],
  read: (items: readonly ReadBackItem[]) => Promise<ReadBack[]>,
  now: number,
): Promise<ConfirmationOutcome[]> {
  const shown = await read(
    batch.map(({ subjectKey, identifiers, recipientPurposes }) => ({ subjectKey, identifiers, recipientPurposes })),
  );
  return batch.map((confirmation, index) => judged(confirmation, shown[index], now));
}

function judged({ allowed, acceptedAt }: Confirmation, shown: ReadBack | undefined, now: number): ConfirmationOutcome {
  if (shown === undefined) return { kind: 'unclear', why: 'no-outcome' };
  if (shown.kind !== 'read') return shown;
  if (shown.served.every((purpose) => allowed.includes(purpose))) return { kind: 'confirmed' };
  return now - acceptedAt >= readBackPatienceMs ? { kind: 'failed', why: 'still-served' } : { kind: 'pending' };
}
