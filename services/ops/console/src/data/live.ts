import { useEffect, useState } from 'react';
import { ask, problemOf, type ApiProblem } from './api.ts';

export interface Live<T> {
  /** The newest view; what was last known stays while the line is down. */
  readonly data: T | null;
  readonly line: 'loading' | 'live' | 'reconnecting';
  /** Milliseconds of the browser's monotonic clock when `data` came. */
  readonly receivedAt: number;
  readonly problem: ApiProblem | null;
}

const retryMs = 3_000;

/**
 * A view that keeps itself fresh by Server-Sent Events. EventSource reconnects by itself after a cut line; when it gives
 * up (the server said no), the plain request tells why, and it is tried again.
 */
export function useLive<T>(path: string): Live<T> {
  const [live, setLive] = useState<Live<T>>(nothing);
  useEffect(() => {
    let timer: number | undefined;
    let source: EventSource | undefined;
    let left = false;
    const connect = (): void => {
      source = new EventSource(path);
      source.onmessage = ({ data }: MessageEvent<string>) => {
        setLive({ data: JSON.parse(data) as T, line: 'live', receivedAt: performance.now(), problem: null });
      };
      source.onerror = () => {
        setLive((before) => ({ ...before, line: before.data === null ? 'loading' : 'reconnecting' }));
        if (source?.readyState === EventSource.CLOSED) void explain();
      };
    };
    const explain = async (): Promise<void> => {
      try {
        const data = await ask<T>(path);
        if (!left) setLive({ data, line: 'reconnecting', receivedAt: performance.now(), problem: null });
      } catch (error) {
        if (!left) setLive((before) => ({ ...before, problem: problemOf(error) }));
      }
      if (!left) timer = window.setTimeout(connect, retryMs);
    };
    setLive(nothing());
    connect();
    return () => {
      left = true;
      source?.close();
      window.clearTimeout(timer);
    };
  }, [path]);
  return live;
}

const nothing = <T>(): Live<T> => ({ data: null, line: 'loading', receivedAt: 0, problem: null });
