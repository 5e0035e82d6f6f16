import { useCallback, useEffect, useState } from 'react';
import { Button } from 'react-aria-components/Button';
import type { DemoView } from '../../../src/read/views/demo.ts';
import type { Overview } from '../../../src/read/views/overview.ts';
import { ask, problemOf, type ApiProblem } from '../data/api.ts';
import { useLive } from '../data/live.ts';
import { useSession } from '../data/session.ts';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Sentence } from '../parts/sentence.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import { useFormat } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

type Partner = DemoView['partners'][number];

/** Fault switches of a local stack: whoever has broken it once knows what the other pages say when it breaks by itself. */
export function DemoPage() {
  const words = useWords();
  const format = useFormat();
  const [view, setView] = useState<DemoView | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [reimported, setReimported] = useState<string | null>(null);
  const overview = useLive<Overview>('/v1/overview');
  const load = useCallback((asked: Promise<DemoView>): void => {
    setProblem(null);
    asked.then(setView).catch((error: unknown) => {
      setProblem(problemOf(error));
      setView(null);
    });
  }, []);
  useEffect(() => load(ask<DemoView>('/v1/demo')), [load]);
  const nameOf = (recipient: string): string =>
    overview.data?.connectors.find((line) => line.recipient === recipient)?.name ?? recipient;
  const broken = view?.partners.filter(({ on }) => on.length > 0) ?? [];
  const flip = ({ recipient, on }: Partner, name: string): void => {
    const wanted = on.includes(name) ? on.filter((one) => one !== name) : [...on, name];
    // Shown at once, and corrected by the answer.
    setView(
      (before) =>
        before && {
          ...before,
          partners: before.partners.map((one) => (one.recipient === recipient ? { ...one, on: wanted } : one)),
        },
    );
    load(ask<DemoView>('/v1/demo/switches', { recipient, on: wanted }));
  };
  const reimport = (recipient: string): void => {
    setProblem(null);
    ask<{ people: number }>('/v1/demo/re-imports', { recipient })
      .then(({ people }) => setReimported(words.demo.reimported(format.counted(people, words.units.people))))
      .catch((error: unknown) => setProblem(problemOf(error)));
  };
  return (
    <Page title={words.demo.title}>
      {view === null ? (
        problem === null && <Sentence>{words.line.loading}</Sentence>
      ) : broken.length === 0 ? (
        <Sentence tone="good">{words.demo.sentence.calm}</Sentence>
      ) : (
        <Sentence tone="warn">
          {words.demo.sentence.broken(
            format.counted(
              broken.reduce((sum, { on }) => sum + on.length, 0),
              words.units.faults,
            ),
            broken.map(({ recipient }) => nameOf(recipient)).join(', '),
          )}
        </Sentence>
      )}
      <p className="lead">{words.demo.intro}</p>
      {problem && <Problem problem={problem} onRetry={() => load(ask<DemoView>('/v1/demo'))} />}
      <div className="partners">
        {view?.partners.map((partner) => (
          <Switches
            key={partner.recipient}
            partner={partner}
            names={view.switches}
            name={nameOf(partner.recipient)}
            flip={(one) => flip(partner, one)}
            reimport={() => reimport(partner.recipient)}
          />
        ))}
      </div>
      <p role="status">
        {reimported !== null && (
          <>
            {reimported} <PageLink to={addressOf.reconciliation}>{words.demo.watch}</PageLink>
          </>
        )}
      </p>
    </Page>
  );
}

function Switches(props: {
  readonly partner: Partner;
  readonly names: readonly string[];
  readonly name: string;
  readonly flip: (name: string) => void;
  readonly reimport: () => void;
}) {
  const { partner, names, name, flip, reimport } = props;
  const words = useWords();
  const { role } = useSession();
  const may = role !== 'viewer';
  return (
    <fieldset disabled={!may}>
      <legend>{words.demo.partner(name)}</legend>
      {!may && <p className="quiet small">{words.parked.needsRole}</p>}
      {names.map((one) => {
        const said = textOf(words, one);
        return (
          <label key={one} className="switch">
            <input type="checkbox" checked={partner.on.includes(one)} onChange={() => flip(one)} />
            <span>
              <span className="strong">{said.name}</span> <span className="quiet small">{said.look}</span>
            </span>
          </label>
        );
      })}
      {partner.reimports && (
        <>
          <Button isDisabled={!may} onPress={reimport} aria-label={words.demo.reimportAt(name)}>
            {words.demo.reimport}
          </Button>
          <p className="quiet small">{words.demo.reimportLook}</p>
        </>
      )}
    </fieldset>
  );
}

const textOf = ({ demo }: Words, name: string): { readonly name: string; readonly look: string } =>
  Object.hasOwn(demo.switches, name) ? demo.switches[name as keyof Words['demo']['switches']] : { name, look: '' };
