import type { StoreEvent } from '../history.ts';
import { BySubject } from './by-subject.ts';
import type { Evidence } from './evidence.ts';
import { entry } from './intervals.ts';

/** A store that was still registered at the end, and the highest version of each subject it was seen to take. */
interface StoreAtEnd {
  readonly registered: StoreEvent;
  readonly highest: BySubject<number>;
}

export function storesAtEnd({ events }: Evidence): StoreAtEnd[] {
  const registered = new Map<string, StoreEvent>();
  for (const event of events.of('store')) {
    if (event.what === 'registered') registered.set(event.store, event);
    if (event.what === 'retired') registered.delete(event.store);
  }
  const highest = new Map<string, BySubject<number>>();
  for (const event of [...events.of('apply'), ...events.of('store.state')]) {
    const versions = entry(highest, event.store, () => new BySubject<number>());
    if (event.version > (versions.get(event) ?? 0)) versions.set(event, event.version);
  }
  return [...registered.values()].map((event) => ({
    registered: event,
    highest: highest.get(event.store) ?? new BySubject(),
  }));
}
