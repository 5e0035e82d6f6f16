import { useCallback, useEffect, useState } from 'react';
import { Button } from 'react-aria-components/Button';
import type { ParkedGroup, ReplayView } from '../../../src/read/views/parked.ts';
import { ask, problemOf, type ApiProblem } from '../data/api.ts';
import { Problem } from '../parts/problem.tsx';
import { useFormat } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

type Step =
  | { readonly kind: 'checking' }
  | { readonly kind: 'checked'; readonly view: ReplayView }
  | { readonly kind: 'running'; readonly view: ReplayView }
  | { readonly kind: 'done'; readonly view: ReplayView }
  | { readonly kind: 'failed'; readonly problem: ApiProblem };

/** Dry run, then what it found, then the run: nothing is sent before a person has read what will be. */
export function ReplaySteps({ group, close }: { group: ParkedGroup; close: () => void }) {
  const words = useWords().parked.dialog;
  const [step, setStep] = useState<Step>({ kind: 'checking' });
  const { recipient, reason } = group;
  const call = useCallback(
    (dryRun: boolean, next: (view: ReplayView) => Step): void => {
      ask<ReplayView>('/v1/parked/replay', { recipient, reason, dryRun })
        .then((view) => setStep(next(view)))
        .catch((error: unknown) => setStep({ kind: 'failed', problem: problemOf(error) }));
    },
    [recipient, reason],
  );
  const check = useCallback((): void => {
    setStep({ kind: 'checking' });
    call(true, (view) => ({ kind: 'checked', view }));
  }, [call]);
  useEffect(check, [check]);
  switch (step.kind) {
    case 'checking':
      return <p role="status">{words.checking}</p>;
    case 'failed':
      return (
        <>
          <Problem problem={step.problem} onRetry={check} />
          <Button onPress={close}>{words.close}</Button>
        </>
      );
    case 'done':
      return (
        <>
          <Done view={step.view} />
          <Button onPress={close} autoFocus>
            {words.close}
          </Button>
        </>
      );
    case 'checked':
    case 'running': {
      const running = step.kind === 'running';
      const { view } = step;
      const run = (): void => {
        setStep({ kind: 'running', view });
        call(false, (done) => ({ kind: 'done', view: done }));
      };
      return (
        <>
          <Preview view={view} />
          <p className="actions">
            {view.people > 0 && (
              <Button onPress={run} isDisabled={running} className="primary">
                {running ? words.running : words.run}
              </Button>
            )}
            <Button onPress={close}>{words.cancel}</Button>
          </p>
        </>
      );
    }
  }
}

function Preview({ view }: { view: ReplayView }) {
  const words = useWords();
  const format = useFormat();
  const { dialog } = words.parked;
  if (view.people === 0) return <p role="status">{dialog.nothing}</p>;
  return (
    <div role="status">
      <p>{dialog.people(format.counted(view.people, words.units.people))}</p>
      {view.canaries > 0 && <p>{dialog.canaries(String(view.canaries))}</p>}
      <p>{dialog.superseded(format.counted(view.superseded, words.units.withdrawals))}</p>
      {view.people >= view.atMost && <p>{dialog.atMost(format.counted(view.atMost, words.units.people))}</p>}
    </div>
  );
}

function Done({ view }: { view: ReplayView }) {
  const words = useWords();
  const format = useFormat();
  return <p role="status">{words.parked.dialog.done(format.counted(view.people, words.units.people))}</p>;
}
