import { useFormat } from '../words/format.ts';

/** A moment: short to read, exact to copy. */
export function Time({ at, long = false }: { at: string; long?: boolean }) {
  const format = useFormat();
  return (
    <time dateTime={at} title={format.moment(at)}>
      {long ? format.moment(at) : format.recent(at)}
    </time>
  );
}
