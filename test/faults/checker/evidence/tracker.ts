import type { OfRecipient, TrackerRow, TrackerStatus } from '../history.ts';
import type { Evidence } from './evidence.ts';

/** Statuses after which the tracker expects nothing more (TRK-1). */
export const settledStatuses: ReadonlySet<TrackerStatus> = new Set([
  'accepted',
  'confirmed',
  'nothing-to-do',
  'never-shared',
  'not-recalled',
  'superseded',
]);

export const trackerKey = (of: OfRecipient & { readonly version: number }): string =>
  `${of.controller} ${of.subject} ${of.recipient} ${of.version}`;

/** What the tracker said last of every (change, recipient). */
export function finalRows({ events }: Evidence): Map<string, TrackerRow> {
  return new Map(events.of('tracker.row').map((row) => [trackerKey(row), row]));
}
