import { useCallback, useEffect, useState } from 'react';
import type { ListPage } from '../../../src/read/views/words.ts';
import { ask, problemOf, type ApiProblem } from './api.ts';

export interface List<T> {
  readonly items: readonly T[] | null;
  readonly more: (() => void) | null;
  readonly problem: ApiProblem | null;
  readonly retry: () => void;
}

/**
 * A long list, page by page as the person asks for more.
 * @param path where it begins
 * @param base the same without a place to begin at
 */
export function useList<T>(path: string, base = path): List<T> {
  const [items, setItems] = useState<readonly T[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const load = useCallback(
    (after: string | null): void => {
      const address = after === null ? path : `${base}${base.includes('?') ? '&' : '?'}after=${after}`;
      setProblem(null);
      ask<ListPage<T>>(address)
        .then((page) => {
          setItems((before) => (after === null ? page.items : [...(before ?? []), ...page.items]));
          setNext(page.next);
        })
        .catch((error: unknown) => setProblem(problemOf(error)));
    },
    [path, base],
  );
  useEffect(() => {
    setItems(null);
    load(null);
  }, [load]);
  return {
    items,
    problem,
    more: next === null ? null : () => load(next),
    retry: () => load(items === null ? null : next),
  };
}
