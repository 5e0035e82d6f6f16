import type { ReactNode } from 'react';
import { Button } from 'react-aria-components/Button';
import type { SessionView } from '../../../src/read/views/session.ts';
import { ask } from '../data/api.ts';
import { addressOf, type Route } from '../router.ts';
import { language, languages, theme, themes, useLanguage, useTheme } from '../settings.ts';
import { useWords } from '../words/use-words.ts';
import { PageLink } from './link.tsx';
import { Select } from './select.tsx';

const languageNames = { en: 'English', fr: 'Français' } as const;

/** What stands around every page: where one is, who one is, and in which language and light. */
export function Frame(props: { route: Route; session?: SessionView; children: ReactNode }) {
  const { route, session, children } = props;
  const words = useWords();
  return (
    <>
      <a className="skip" href="#content">
        {words.skip}
      </a>
      <header className="top">
        <div className="brand">
          <strong>{words.product}</strong> <span className="quiet">{session?.controller ?? words.console}</span>
        </div>
        {session && <Pages route={route} session={session} />}
        {session && (
          <div className="who">
            <span>
              {session.name} <span className="quiet">{words.session.roles[session.role]}</span>
            </span>
            <Button className="plain" onPress={() => void leave()}>
              {words.session.signOut}
            </Button>
          </div>
        )}
      </header>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
      <footer>
        <Settings />
      </footer>
    </>
  );
}

function Pages({ route, session }: { route: Route; session: SessionView }) {
  const words = useWords();
  const pages = [
    'overview',
    'stuck',
    'parked',
    'leaks',
    'canary',
    'reconciliation',
    'people',
    ...(session.demo ? ['demo' as const] : []),
    ...(session.role === 'admin' ? ['audit' as const] : []),
  ] as const;
  return (
    <nav aria-label={words.nav.label}>
      <ul>
        {pages.map((page) => (
          <li key={page}>
            <PageLink to={addressOf[page]} current={route.page === page}>
              {words.nav[page]}
            </PageLink>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Settings() {
  const words = useWords();
  return (
    <>
      <Select
        label={words.settings.language}
        value={useLanguage()}
        onChange={(value) => language.set(languages.find((one) => one === value) ?? 'en')}
        options={languages.map((value) => ({ value, text: languageNames[value], lang: value }))}
      />
      <Select
        label={words.settings.theme}
        value={useTheme()}
        onChange={(value) => theme.set(themes.find((one) => one === value) ?? 'system')}
        options={themes.map((value) => ({ value, text: words.settings[value] }))}
      />
    </>
  );
}

async function leave(): Promise<void> {
  try {
    await ask('/console/sign-out', {});
  } finally {
    location.assign(addressOf.overview);
  }
}
