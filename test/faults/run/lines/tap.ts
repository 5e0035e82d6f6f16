import { writeSync } from 'node:fs';
import type { Lateness } from '../../../partners/src/lateness.ts';
import type { ProxyOptions } from '../tcp-proxy.ts';
import type { TapLine } from './orders.ts';
import { RequestWatch } from './request-watch.ts';

const now = (): string => process.hrtime.bigint().toString();

/** Writes down the requests that pass a line, each once it is known how it ended. */
export const tapOn =
  (tap: string, journal: number, lateness: Lateness): NonNullable<ProxyOptions['watch']> =>
  ({ inner }) => {
    // Not there yet when the first request comes, and gone from the socket once it is closed.
    let port = 0;
    inner.once('connect', () => (port = inner.localPort ?? 0));
    let began = { ns: '0', lateNs: '0' };
    let last: Omit<TapLine, 'endedNs' | 'port'> | null = null;
    const write = (endedNs: string): void => {
      if (last !== null) writeSync(journal, `${JSON.stringify({ ...last, port, endedNs })}\n`);
      last = null;
    };
    const watch = new RequestWatch(
      () => {
        began = { ns: now(), lateNs: lateness.lately().toString() };
        write(began.ns);
      },
      (request) => (last = { ...request, tap, ...began }),
    );
    return {
      sent: (chunk) => watch.sent(chunk),
      ended() {
        watch.ended();
        write(now());
      },
    };
  };
