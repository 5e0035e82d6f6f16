import type { EventKind, EventOf, HistoryEvent } from '../history.ts';

/** Events of one kind in order of time; equal instants keep the order they were recorded in. */
export class ByKind {
  readonly #kinds = new Map<EventKind, HistoryEvent[]>();
  /** The last instant anything happened at. */
  readonly end: number;

  constructor(events: readonly HistoryEvent[]) {
    const unsorted = new Set<EventKind>();
    let end = -Infinity;
    for (const event of events) {
      if (event.at > end) end = event.at;
      const same = this.#kinds.get(event.kind);
      if (!same) {
        this.#kinds.set(event.kind, [event]);
        continue;
      }
      if ((same.at(-1) as HistoryEvent).at > event.at) unsorted.add(event.kind);
      same.push(event);
    }
    for (const kind of unsorted) this.#kinds.get(kind)?.sort((a, b) => a.at - b.at);
    this.end = end;
  }

  of<Kind extends EventKind>(kind: Kind): readonly EventOf<Kind>[] {
    return (this.#kinds.get(kind) ?? []) as unknown as readonly EventOf<Kind>[];
  }
}
