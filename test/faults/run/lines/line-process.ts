import { openSync } from 'node:fs';
import { Lateness } from '../../../partners/src/lateness.ts';
import { TcpProxy } from '../tcp-proxy.ts';
import type { Order, Word } from './orders.ts';
import { tapOn } from './tap.ts';

/**
 * A process beside the system that holds lines to dependencies of it: what passes them must not wait for the harness, which
 * asks, records and judges. With a file it is the egress tap: it notes when the first byte of each request came by and for
 * whom. `process.argv`: that file or an empty text, the names of the lines.
 */
const [, , file = '', ...names] = process.argv;
const lateness = new Lateness();
lateness.start();
const journal = file === '' ? null : openSync(file, 'a');

const tell = (word: Word): void => void process.send?.(word);
const lines = new Map<string, TcpProxy>();
const untrap = new Map<number, () => void>();
const release = new Map<number, () => void>();

for (const name of names)
  lines.set(name, await TcpProxy.listen(journal === null ? {} : { watch: tapOn(name, journal, lateness) }));

function obey(order: Order): void {
  const line = 'line' in order ? lines.get(order.line) : undefined;
  switch (order.do) {
    case 'lead':
      return line?.leadTo(...order.ports);
    case 'impose':
      line?.impose(order.fault);
      return tell({ say: 'imposed', id: order.id });
    case 'heal':
      line?.heal();
      return tell({ say: 'healed', id: order.id, hits: line?.hits ?? 0 });
    case 'reset':
      return line?.reset();
    case 'trap': {
      const { id, trap } = order;
      const { promise, resolve } = Promise.withResolvers<void>();
      release.set(id, resolve);
      const spring = (): Promise<void> => {
        tell({ say: 'sprung', id });
        return promise;
      };
      const undo = line?.set({ ...trap, spring });
      if (undo) untrap.set(id, undo);
      return;
    }
    case 'untrap':
      return untrap.get(order.id)?.();
    case 'release':
      return release.get(order.id)?.();
  }
}

process.on('message', (message) => obey(message as Order));
process.on('disconnect', () => process.exit(0));
tell({ say: 'listening', ports: Object.fromEntries([...lines].map(([name, { port }]) => [name, port])) });
