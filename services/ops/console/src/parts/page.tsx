import { useEffect, useRef, type ReactNode } from 'react';
import { useWords } from '../words/use-words.ts';

/** A page's frame: its title in the document and in its heading, which takes the focus when one comes from elsewhere. */
export function Page({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  const words = useWords();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} – ${words.product}`;
  }, [title, words]);
  useEffect(() => {
    if (arrivals > 0) heading.current?.focus();
    arrivals += 1;
  }, []);
  return (
    <>
      <div className="title">
        <h1 tabIndex={-1} ref={heading}>
          {title}
        </h1>
        {aside}
      </div>
      {children}
    </>
  );
}

/** The first page leaves the focus where the browser put it. */
let arrivals = 0;
