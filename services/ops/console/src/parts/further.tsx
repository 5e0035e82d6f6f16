import { useState } from 'react';
import { Button } from 'react-aria-components/Button';
import { useList } from '../data/list.ts';
import { useWords } from '../words/use-words.ts';
import { Problem } from './problem.tsx';
import { Table, type Column } from './table.tsx';

interface Rest<T> {
  /** The list's own address, without a place in it. */
  readonly path: string;
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string;
}

/** What comes after the live first page of a list, when asked for: it does not move under the eyes of who reads it. */
export function Further<T>({ after, ...rest }: Rest<T> & { readonly after: string }) {
  const words = useWords();
  const [from, setFrom] = useState<string | null>(null);
  if (from === null) return <Button onPress={() => setFrom(after)}>{words.list.more}</Button>;
  return <FurtherPages {...rest} from={from} />;
}

function FurtherPages<T>({ path, from, caption, columns, rowKey }: Rest<T> & { readonly from: string }) {
  const words = useWords();
  const list = useList<T>(`${path}${path.includes('?') ? '&' : '?'}after=${from}`, path);
  return (
    <>
      {list.items && <Table caption={caption} hideCaption columns={columns} rows={list.items} rowKey={rowKey} />}
      {list.problem && <Problem problem={list.problem} onRetry={list.retry} />}
      {list.more && <Button onPress={list.more}>{words.list.more}</Button>}
    </>
  );
}
