import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { finalRows, trackerKey } from '../evidence/tracker.ts';
import { inOrder } from '../excerpt.ts';
import type { Vector } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * CONVERGENCE: at rest the state table and every store say of each subject what its newest change says, and no partner
 * holds what that denies, unless the tracker shows the work parked. A store that lags is NO-LOSS's.
 */
export const convergence: Invariant = (evidence) =>
  evidence.quiescedAt === undefined ? [] : [...stateTable(evidence), ...stores(evidence), ...partners(evidence)];

const grantedIn = (vector: Vector): string =>
  Object.entries(vector)
    .filter(([, { granted }]) => granted)
    .map(([purpose]) => purpose)
    .sort()
    .join(' ');

function stateTable({ events, consent }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const state of events.of('db.state')) {
    const newest = consent.newest(state);
    if (!newest || newest.version !== state.version) continue;
    if (grantedIn(newest.event.after) === grantedIn(state.vector)) continue;
    const what = `the state table disagrees with version ${state.version} of ${state.subject}`;
    found.push({ rule: 'CONVERGENCE', what, events: inOrder(newest.event, state) });
  }
  return found;
}

function stores({ events, consent }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const state of events.of('store.state')) {
    const newest = consent.newest(state);
    if (!newest || !state.granted || newest.version !== state.version) continue;
    if (grantedIn(newest.event.after) === [...state.granted].sort().join(' ')) continue;
    const what = `store ${state.store} disagrees with version ${state.version} of ${state.subject}`;
    found.push({ rule: 'CONVERGENCE', what, events: inOrder(newest.event, state) });
  }
  return found;
}

function partners(evidence: Evidence): Violation[] {
  const { events, consent } = evidence;
  const rows = finalRows(evidence);
  const found: Violation[] = [];
  for (const state of events.of('partner.state')) {
    const changes = consent.changesOf(state);
    const newest = consent.newest(state);
    const held = state.purposes.filter((purpose) => {
      const destination = { purpose, recipient: state.recipient };
      return !newest || !consent.permitsIn(newest, destination, state.at, state.at);
    });
    if (held.length === 0) continue;
    const denying = changes.findLast(({ event }) => event.direction === 'deny' && !event.lost);
    const row = denying && rows.get(trackerKey({ ...state, version: denying.version }));
    if (row?.status === 'parked') continue;
    const what = `${state.recipient} still holds ${held.join(', ')} of ${state.subject}`;
    found.push({ rule: 'CONVERGENCE', what, events: inOrder(newest?.event, state) });
  }
  return found;
}
