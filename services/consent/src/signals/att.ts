import type { Catalogue } from '@entente/contracts';
import { trackingPurposes } from './opt-outs.ts';
import type { Reading } from './statement.ts';

/** ATTrackingManager.AuthorizationStatus in the order of its raw values. */
const statuses = ['notDetermined', 'restricted', 'denied', 'authorized'] as const;

/**
 * Apple's App Tracking Transparency: `authorized` permits tracking beside our own consent, never instead of it; every other
 * status denies, also one that Apple has yet to invent.
 */
export function readAtt(raw: string, catalogue: Catalogue): Reading {
  const given = raw.trim();
  const named = statuses.find((status, code) => given === status || given === String(code));
  if (named === undefined && !/^\d{1,3}$/.test(given))
    return { kind: 'unreadable', detail: `is not an ATT status: one of 0 to 3, or ${statuses.join(', ')}` };
  return {
    kind: 'read',
    faults: named === undefined ? [`${given} is not a status known here; it counts as denied`] : [],
    statements: trackingPurposes(catalogue).map(({ id }) => ({
      purpose: id,
      says: named === 'authorized' ? 'nothing' : 'denies',
      because: `att-${named ?? given}`,
    })),
  };
}
