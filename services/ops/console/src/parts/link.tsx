import type { MouseEvent, ReactNode } from 'react';
import { go } from '../router.ts';

/** A link within the console: a real one, so that it opens in a tab, is copied and is spoken as what it is. */
export function PageLink(props: { to: string; children: ReactNode; current?: boolean; label?: string }) {
  const { to, children, current = false, label } = props;
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={to} onClick={follow} aria-label={label} aria-current={current ? 'page' : undefined}>
      {children}
    </a>
  );
}
