import { openSync, writeSync } from 'node:fs';
import { Lateness } from '../../../partners/src/lateness.ts';
import { TcpProxy, type Onlooker } from '../tcp-proxy.ts';
import { RequestWatch } from './request-watch.ts';
import type { Order, TapLine, Word } from './tap-line.ts';

/**
 * The egress tap: a process beside the system that stands before every partner, once for each connector instance, and notes
 * when the first byte of each request came by and for whom. `process.argv`: the file to write, the names of the taps.
 */
const [, , file = '', ...taps] = process.argv;
const journal = openSync(file, 'a');
const lateness = new Lateness();
lateness.start();

const tell = (word: Word): void => void process.send?.(word);
const proxies = new Map<string, TcpProxy>();
const untrap = new Map<number, () => void>();
const release = new Map<number, () => void>();

/** One connection: its requests in their order, each written once it is known how it ended. */
function onlooker(tap: string, port: () => number): Onlooker {
  let began = { ns: '0', lateNs: '0' };
  let last: TapLine | null = null;
  const write = (endedNs: string): void => {
    if (last !== null) writeSync(journal, `${JSON.stringify({ ...last, endedNs })}\n`);
    last = null;
  };
  const now = (): string => process.hrtime.bigint().toString();
  const watch = new RequestWatch(
    () => {
      began = { ns: now(), lateNs: lateness.lately().toString() };
      write(began.ns);
    },
    (request) => (last = { ...request, tap, port: port(), ...began, endedNs: null }),
  );
  return {
    sent: (chunk) => watch.sent(chunk),
    ended: () => {
      watch.ended();
      write(now());
    },
  };
}

for (const tap of taps) {
  const proxy = await TcpProxy.listen({
    watch: ({ inner }) => {
      // Gone from the socket once it is closed.
      let port = 0;
      inner.once('connect', () => (port = inner.localPort ?? 0));
      return onlooker(tap, () => port);
    },
  });
  proxies.set(tap, proxy);
}

process.on('message', (message) => {
  const order = message as Order;
  const proxy = 'tap' in order ? proxies.get(order.tap) : undefined;
  switch (order.do) {
    case 'lead':
      return proxy?.leadTo(order.port);
    case 'impose':
      proxy?.impose(order.fault);
      return tell({ say: 'imposed', id: order.id });
    case 'heal':
      proxy?.heal();
      return tell({ say: 'healed', id: order.id, hits: proxy?.hits ?? 0 });
    case 'trap': {
      const { id, way, lets } = order;
      const { promise, resolve } = Promise.withResolvers<void>();
      release.set(id, resolve);
      const spring = (): Promise<void> => {
        tell({ say: 'sprung', id });
        return promise;
      };
      const undo = proxy?.set({ way, lets, sees: () => true, spring });
      if (undo) untrap.set(id, undo);
      return;
    }
    case 'untrap':
      return untrap.get(order.id)?.();
    case 'release':
      return release.get(order.id)?.();
  }
});
process.on('disconnect', () => process.exit(0));
tell({
  say: 'listening',
  ports: Object.fromEntries([...proxies].map(([tap, { port }]) => [tap, port])),
});
