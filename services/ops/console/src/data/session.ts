import { createContext, useContext } from 'react';
import type { SessionView } from '../../../src/read/views/session.ts';

export const SessionContext = createContext<SessionView | null>(null);

/** The signed-in person. Pages are shown only to one. */
export function useSession(): SessionView {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('a page outside of a session');
  return session;
}

export const signInAddress = (): string =>
  `/console/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`;
