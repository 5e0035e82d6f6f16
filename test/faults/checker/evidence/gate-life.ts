import type { StoreEvent } from '../history.ts';
import type { Evidence } from './evidence.ts';
import { entry, lastWhile } from './intervals.ts';

/** Losses and seedings of the replicas a process works on, by process, in order of time. */
export function replicaLife({ events }: Evidence): ReadonlyMap<string, readonly StoreEvent[]> {
  const life = new Map<string, StoreEvent[]>();
  for (const event of events.of('store')) {
    const seeding = event.what === 'emptied' || event.what === 'seeding' || event.what === 'seeded';
    if (event.process !== undefined && seeding) entry(life, event.process, () => []).push(event);
  }
  return life;
}

/** The newest loss of a replica at or before `at`, and whether it was seeded again by then. */
export function lossBefore(
  life: readonly StoreEvent[],
  at: number,
): { readonly loss: StoreEvent; readonly seeded: boolean } | undefined {
  const loss = lastWhile(life, (event) => event.at <= at) && life.findLast((e) => e.at <= at && e.what !== 'seeded');
  if (!loss) return undefined;
  const seeded = life.some(
    ({ what, store, at: when }) => what === 'seeded' && store === loss.store && when > loss.at && when <= at,
  );
  return { loss, seeded };
}
