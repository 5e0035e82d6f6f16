import { Button } from 'react-aria-components/Button';
import type { ApiProblem } from '../data/api.ts';
import { signInAddress } from '../data/session.ts';
import { useWords } from '../words/use-words.ts';

/** What went wrong, in plain words, what still works, and what to do next. */
export function Problem({ problem, onRetry }: { problem: ApiProblem; onRetry?: (() => void) | undefined }) {
  const words = useWords();
  if (problem.status === 401)
    return (
      <section className="problem" role="alert">
        <p>{words.session.ended}</p>
        <p>
          <a className="button" href={signInAddress()}>
            {words.session.signIn}
          </a>
        </p>
      </section>
    );
  const explanation =
    problem.status === 0
      ? words.problem.unreachable
      : problem.status === 403
        ? words.problem.forbidden
        : problem.status === 404
          ? words.problem.notFound
          : words.problem.fault;
  return (
    <section className="problem" role="alert">
      <h2>{words.problem.title}</h2>
      <p>{explanation}</p>
      {problem.detail !== '' && <p className="quiet">{problem.detail}</p>}
      {problem.reference !== null && (
        <p className="quiet">
          {words.problem.reference} <code>{problem.reference}</code>
        </p>
      )}
      {onRetry && (
        <p>
          <Button onPress={onRetry}>{words.problem.retry}</Button>
        </p>
      )}
    </section>
  );
}
