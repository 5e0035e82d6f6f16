import type { Command } from '../../../services/consent/src/ledger/command.ts';
import type { Ledger } from '../../../services/consent/src/ledger/ledger.ts';
import type { SimServer } from '../postgres/server.ts';
import { rowsOf } from '../postgres/shapes.ts';
import type { Handler } from '../postgres/statement.ts';
import { reading } from './delivery-mutants.ts';

/** Statements with this text are carried out by another hand. */
const instead =
  (hands: Readonly<Record<string, (handler: Handler) => Handler>>) =>
  (server: SimServer): void => {
    server.around = (text, handler) => {
      const hand = Object.entries(hands).find(([part]) => text.includes(part))?.[1];
      return hand === undefined ? handler : hand(handler);
    };
  };

/** RST-1: a promoted database goes on under the incarnation it has. */
export const incarnationKept = instead({
  'UPDATE incarnation i': (handler) => (s) => (s.get('incarnation', 'one') === undefined ? handler(s) : rowsOf([])),
});

/** What the restore records goes through `change`. */
const recording =
  (change: (commands: readonly Command[]) => readonly Command[]) =>
  (ledger: Ledger): Ledger =>
    new Proxy(ledger, {
      get(target, name) {
        if (name !== 'record') return Reflect.get(target, name, target) as unknown;
        return (...[pool, commands]: Parameters<Ledger['record']>) => {
          const changed = change(commands);
          return changed.length === 0 ? Promise.resolve([]) : target.record(pool, changed);
        };
      },
    });

/** RST-4: the database's word stands against what the logs refuse. */
export const givesBack = recording((commands) =>
  commands.map(({ event, ...command }) =>
    event?.kind === 'restore' ? { ...command, event: { ...event, lost: { ...event.lost, vector: {} } } } : command,
  ),
);

/** RST-4: the restore merges nobody. */
export const skips = recording(() => []);

/** GATE-6: whoever stands in the table is everybody, also after a loss. */
export const lostGatesUnthoughtOf = reading('AS "mayLack"', () => ({ mayLack: false }));
