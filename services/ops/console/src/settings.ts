import { useSyncExternalStore } from 'react';

export const languages = ['en', 'fr'] as const;
export type Language = (typeof languages)[number];
export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const listeners = new Set<() => void>();

function setting<T extends string>(key: string, allowed: readonly T[], standard: () => T) {
  const read = (): T => allowed.find((one) => one === localStorage.getItem(key)) ?? standard();
  return {
    get: read,
    set: (value: T): void => {
      localStorage.setItem(key, value);
      applySettings();
      listeners.forEach((listener) => listener());
    },
  };
}

/** What the person chose here, else what their browser asks for. */
export const language = setting<Language>('entente-language', languages, () =>
  navigator.languages.some((tag) => tag.startsWith('fr')) && !navigator.languages[0]?.startsWith('en') ? 'fr' : 'en',
);
export const theme = setting<Theme>('entente-theme', themes, () => 'system');

/** On the document itself: assistive software reads `lang`, the style sheet reads `data-theme`. */
export function applySettings(): void {
  document.documentElement.lang = language.get();
  document.documentElement.dataset['theme'] = theme.get();
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useLanguage = (): Language => useSyncExternalStore(subscribe, language.get);
export const useTheme = (): Theme => useSyncExternalStore(subscribe, theme.get);
