import { useEffect, useState } from 'react';
import type { Live } from '../data/live.ts';
import { useFormat } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

/** The server sends a view at least every two seconds; older than this, the line may be dead. */
const staleMs = 6_000;

/** How old what one sees is, in words. */
export function Freshness({ live }: { live: Pick<Live<unknown>, 'line' | 'receivedAt' | 'data'> }) {
  const words = useWords();
  const format = useFormat();
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(performance.now()), 1_000);
    return () => window.clearInterval(timer);
  }, []);
  if (live.data === null) return <span className="freshness">{words.line.loading}</span>;
  const ageMs = Math.max(0, now - live.receivedAt);
  const age = format.span(Math.round(ageMs / 1_000) * 1_000);
  if (live.line === 'reconnecting') return <span className="freshness late">{words.line.reconnecting(age)}</span>;
  if (ageMs > staleMs) return <span className="freshness late">{words.line.stale(age)}</span>;
  return <span className="freshness live">{words.line.live}</span>;
}
