import { useSyncExternalStore } from 'react';

const base = '/console';

export type Route =
  | { readonly page: 'overview' }
  | { readonly page: 'connector'; readonly recipient: string }
  | { readonly page: 'withdrawal'; readonly changeId: string }
  | { readonly page: 'canary' }
  | { readonly page: 'reconciliation' }
  | { readonly page: 'demo' }
  | { readonly page: 'people' }
  | { readonly page: 'stuck' }
  | { readonly page: 'parked' }
  | { readonly page: 'leaks' }
  | { readonly page: 'audit' }
  | { readonly page: 'unknown' };

/** Which page an address below /console names. */
export function routeOf(pathname: string): Route {
  const [first = '', second = '', ...more] = pathname.slice(base.length).split('/').filter(Boolean);
  const detail = decoded(second);
  if (more.length > 0 || detail === null) return { page: 'unknown' };
  if (first === 'connectors' && detail !== '') return { page: 'connector', recipient: detail };
  if (first === 'withdrawals' && detail !== '') return { page: 'withdrawal', changeId: detail };
  if (detail !== '') return { page: 'unknown' };
  if (first === 'break-it') return { page: 'demo' };
  switch (first) {
    case '':
      return { page: 'overview' };
    case 'canary':
    case 'reconciliation':
    case 'people':
    case 'stuck':
    case 'parked':
    case 'leaks':
    case 'audit':
      return { page: first };
    default:
      return { page: 'unknown' };
  }
}

function decoded(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

export const addressOf = {
  overview: `${base}/`,
  people: `${base}/people`,
  stuck: `${base}/stuck`,
  parked: `${base}/parked`,
  leaks: `${base}/leaks`,
  canary: `${base}/canary`,
  reconciliation: `${base}/reconciliation`,
  demo: `${base}/break-it`,
  audit: `${base}/audit`,
  connector: (recipient: string): string => `${base}/connectors/${encodeURIComponent(recipient)}`,
  withdrawal: (changeId: string): string => `${base}/withdrawals/${encodeURIComponent(changeId)}`,
} as const;

const listeners = new Set<() => void>();
const tell = (): void => listeners.forEach((listener) => listener());

export function go(address: string): void {
  history.pushState(null, '', address);
  tell();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
  };
}

export const useAddress = (): string => useSyncExternalStore(subscribe, () => location.pathname + location.search);
