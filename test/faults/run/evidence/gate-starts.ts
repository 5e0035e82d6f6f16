import type { HistoryEvent } from '../../checker/index.ts';
import type { GateStart } from './topics.ts';

/**
 * Which start of a gate belongs to which start of its process: the first to beat after it. A gate that lost its store begins
 * another within the same process: that one began when it beat first.
 */
export function gateStarts(
  connectors: readonly { readonly name: string; readonly gate: string }[],
  events: readonly HistoryEvent[],
  starts: readonly GateStart[],
): HistoryEvent[] {
  return connectors.flatMap(({ name, gate }) => {
    const began = events.flatMap((event) =>
      event.kind === 'process.started' && event.process === name ? [event.at] : [],
    );
    const taken = new Set<number>();
    return starts
      .filter((start) => start.gate === gate)
      .flatMap(({ start, at }): HistoryEvent[] => {
        const since = began.findLast((from) => from <= at);
        if (since === undefined) return [];
        const isFirst = !taken.has(since);
        taken.add(since);
        return [{ kind: 'process.started', at: isFirst ? since : at, process: name, start }];
      });
  });
}
