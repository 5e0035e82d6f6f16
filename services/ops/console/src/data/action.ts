import { useCallback, useState } from 'react';
import { ask, problemOf, type ApiProblem } from './api.ts';

export interface Action {
  readonly problem: ApiProblem | null;
  /** What is being asked just now. */
  readonly pending: string | null;
  readonly start: (path: string) => void;
}

/** Something a person starts and the live view then shows. Already under way (409) is as good as started. */
export function useAction(): Action {
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [pending, setPending] = useState<string | null>(null);
  const start = useCallback((path: string): void => {
    setProblem(null);
    setPending(path);
    ask(path, {})
      .catch((error: unknown) => {
        const said = problemOf(error);
        if (said.status !== 409) setProblem(said);
      })
      .finally(() => setPending(null));
  }, []);
  return { problem, pending, start };
}
