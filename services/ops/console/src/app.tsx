import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { I18nProvider } from 'react-aria-components/I18nProvider';
import type { SessionView } from '../../src/read/views/session.ts';
import { ask, problemOf, type ApiProblem } from './data/api.ts';
import { SessionContext, signInAddress } from './data/session.ts';
import { AuditPage } from './pages/audit.tsx';
import { CanaryPage } from './pages/canary.tsx';
import { DemoPage } from './pages/demo.tsx';
import { LeaksPage } from './pages/leaks.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { ParkedPage } from './pages/parked.tsx';
import { PeoplePage } from './pages/people.tsx';
import { ReconciliationPage } from './pages/reconciliation.tsx';
import { StuckPage } from './pages/stuck.tsx';
import { WithdrawalPage } from './pages/withdrawal.tsx';
import { Page } from './parts/page.tsx';
import { Problem } from './parts/problem.tsx';
import { Frame } from './parts/frame.tsx';
import { routeOf, useAddress, type Route } from './router.ts';
import { useLanguage } from './settings.ts';
import { useWords } from './words/use-words.ts';

/** Its charts are a third of the whole console: they come when somebody looks at one. */
const ConnectorPage = lazy(async () => ({ default: (await import('./pages/connector.tsx')).ConnectorPage }));

type Entrance =
  | { readonly kind: 'asking' }
  | { readonly kind: 'in'; readonly session: SessionView }
  | { readonly kind: 'out' }
  | { readonly kind: 'failed'; readonly problem: ApiProblem };

/** Lets in who has a session and shows the page the address names. */
export function App() {
  const language = useLanguage();
  const [entrance, setEntrance] = useState<Entrance>({ kind: 'asking' });
  const enter = useCallback((): void => {
    ask<SessionView>('/v1/session')
      .then((session) => setEntrance({ kind: 'in', session }))
      .catch((error: unknown) => {
        const problem = problemOf(error);
        setEntrance(problem.status === 401 ? { kind: 'out' } : { kind: 'failed', problem });
      });
  }, []);
  useEffect(enter, [enter]);
  return (
    <I18nProvider locale={language === 'fr' ? 'fr-FR' : 'en-GB'}>
      <Inside entrance={entrance} retry={enter} />
    </I18nProvider>
  );
}

function Inside({ entrance, retry }: { entrance: Entrance; retry: () => void }) {
  const words = useWords();
  const address = useAddress();
  const route = routeOf(address.split('?')[0] ?? '');
  switch (entrance.kind) {
    case 'asking':
      return <Frame route={route}>{words.line.loading}</Frame>;
    case 'failed':
      return (
        <Frame route={route}>
          <Problem problem={entrance.problem} onRetry={retry} />
        </Frame>
      );
    case 'out':
      return (
        <Frame route={route}>
          <Page title={words.session.signIn}>
            <p>{words.session.needed}</p>
            <p>
              <a className="button" href={signInAddress()}>
                {words.session.signIn}
              </a>
            </p>
          </Page>
        </Frame>
      );
    case 'in':
      return (
        <SessionContext value={entrance.session}>
          <Frame route={route} session={entrance.session}>
            <Shown key={address} route={route} />
          </Frame>
        </SessionContext>
      );
  }
}

function Shown({ route }: { route: Route }) {
  const words = useWords();
  switch (route.page) {
    case 'overview':
      return <OverviewPage />;
    case 'connector':
      return (
        <Suspense fallback={<p role="status">{words.line.loading}</p>}>
          <ConnectorPage recipient={route.recipient} />
        </Suspense>
      );
    case 'withdrawal':
      return <WithdrawalPage changeId={route.changeId} />;
    case 'people':
      return <PeoplePage />;
    case 'stuck':
      return <StuckPage />;
    case 'parked':
      return <ParkedPage />;
    case 'leaks':
      return <LeaksPage />;
    case 'canary':
      return <CanaryPage />;
    case 'reconciliation':
      return <ReconciliationPage />;
    case 'demo':
      return <DemoPage />;
    case 'audit':
      return <AuditPage />;
    case 'unknown':
      return (
        <Page title={words.problem.unknownPage}>
          <p>{words.problem.notFound}</p>
        </Page>
      );
  }
}
