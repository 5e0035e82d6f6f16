import { startOf } from './assignment.ts';
import { KafkaFault } from './faults.ts';
import { tpKey, type Log, type OffsetRange, type SourceStart, type TP } from './port.ts';

/** Where to read on when the wanted offset is not in the log; its owner is told first. */
export async function placeFor(
  start: SourceStart,
  tp: TP,
  wanted: bigint,
  range: OffsetRange,
  log: Log,
): Promise<bigint> {
  const fields = { ...tp, wanted: String(wanted), low: String(range.low), high: String(range.high) };
  log.error(fields, 'position outside the log');
  const answer = await start.onOutOfRange?.(tp, wanted, range);
  return typeof answer === 'bigint' ? answer : range.low;
}

/** The offset each partition begins with, by `tpKey`: the owner's positions against what the broker has. */
export async function placesOf(
  start: SourceStart,
  tps: TP[],
  epoch: number,
  rangesOf: (tps: TP[]) => Promise<Map<string, OffsetRange>>,
  log: Log,
): Promise<Map<string, bigint>> {
  const wanted = (await start.positions?.(tps, epoch)) ?? new Map<string, bigint>();
  const ranges = await rangesOf(tps);
  const places = new Map<string, bigint>();
  for (const tp of tps) {
    const key = tpKey(tp);
    const range = ranges.get(key);
    if (!range) throw new KafkaFault('unavailable', `offsets of ${key} unknown`);
    const begin = startOf(wanted.get(key), range, start.fromBeginning ?? true);
    places.set(key, begin.kind === 'at' ? begin.offset : await placeFor(start, tp, begin.wanted, range, log));
  }
  return places;
}
