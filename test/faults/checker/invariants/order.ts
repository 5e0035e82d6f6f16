import { BySubject } from '../evidence/by-subject.ts';
import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { inOrder } from '../excerpt.ts';
import type { Apply, StoreEvent } from '../history.ts';
import type { Violation } from '../violation.ts';

/** ORDER: versions only rise: in commits, in what a store applies (over restarts too), and in what it finally holds. */
export const order: Invariant = (evidence) => [...commits(evidence), ...applied(evidence)];

function commits({ consent, settings }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const changes of consent.subjects()) {
    for (const [position, later] of changes.entries()) {
      const earlier = changes[position - 1];
      if (!earlier) continue;
      const same = earlier.version === later.version;
      const blur = (earlier.event.errorMs ?? 0) + (later.event.errorMs ?? 0) + settings.clockResolutionMs;
      if (!same && earlier.event.at <= later.event.at + blur) continue;
      const what = same
        ? `version ${later.version} of ${later.event.subject} was given to two changes`
        : `version ${later.version} of ${later.event.subject} committed before version ${earlier.version}`;
      found.push({ rule: 'ORDER', what, events: inOrder(earlier.event, later.event) });
    }
  }
  return found;
}

function applied({ events }: Evidence): Violation[] {
  const emptied = events.of('store').filter(({ what }) => what === 'emptied');
  const highest = new Map<string, BySubject<Apply>>();
  const found: Violation[] = [];
  let next = 0;
  for (const apply of events.of('apply')) {
    for (; (emptied[next]?.at ?? Infinity) <= apply.at; next++) highest.delete((emptied[next] as StoreEvent).store);
    let versions = highest.get(apply.store);
    if (!versions) highest.set(apply.store, (versions = new BySubject()));
    const before = versions.get(apply);
    if (before && before.version >= apply.version) {
      const what = `store ${apply.store} applied version ${apply.version} of ${apply.subject} over version ${before.version}`;
      found.push({ rule: 'ORDER', what, events: [before, apply] });
    } else versions.set(apply, apply);
  }
  for (; next < emptied.length; next++) highest.delete((emptied[next] as StoreEvent).store);
  for (const state of events.of('store.state')) {
    const before = highest.get(state.store)?.get(state);
    if (!before || before.version <= state.version) continue;
    const what = `store ${state.store} holds version ${state.version} of ${state.subject} after applying ${before.version}`;
    found.push({ rule: 'ORDER', what, events: [before, state] });
  }
  return found;
}
