import type { CatalogueDocument } from '@entente/contracts';
import type { DeliveryRow } from '../../../libs/connector-runtime/src/store/delivery-rows.ts';
import type { ExposureRegister } from '../../../libs/connector-runtime/src/store/exposure-register.ts';
import { settle } from '../../../services/ops/src/tracker/track.ts';
import type { SimServer } from '../postgres/server.ts';
import { deliveryKey } from '../postgres/delivery-statements.ts';
import { rowsOf } from '../postgres/shapes.ts';
import type { Mutations } from './mutations.ts';

/** The exposure is written this long after the send it is for, milliseconds. */
const lateMs = 300;

/** SHR-1: sent first, written down when there is time. */
export const exposureAfterSend: Mutations['register'] = (register) =>
  new Proxy(register, {
    get(target, name) {
      if (name !== 'record') {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return (...[recipient, intended, windowMs]: Parameters<ExposureRegister['record']>) => {
        // Nobody waits for what is written too late, nor hears that it was not: that is the planted bug.
        setTimeout(() => void target.record(recipient, intended, windowMs).catch(() => {}), lateMs);
        const inFlightUntil = Date.now() + windowMs;
        return Promise.resolve(
          intended.map(() => ({ kind: 'recorded', revoked: [], revokeVersion: 0, inFlightUntil }) as const),
        );
      };
    },
  });

/** What statements with this text read is changed on the way. */
export const reading =
  (part: string, change: (row: object) => object): Mutations['database'] =>
  (server: SimServer) => {
    server.around = (text, handler) =>
      text.includes(part) ? (s) => rowsOf(handler(s).rows.map((row) => ({ ...row, ...change(row) }))) : handler;
  };

/** DLV-5: a grant takes the place of a revocation also when that was attempted, or is an erasure. */
export const grantOverAttempt = reading('DO UPDATE SET version = d.version', () => ({
  attempted: false,
  erasure: false,
}));

/** DLV-5: a denial that takes nothing away at a recipient is told there all the same, and with it what is allowed. */
export const denialRestates: Mutations['database'] = (server) => {
  server.around = (text, handler) =>
    text.includes('UPDATE delivery d SET\n    version = n.version')
      ? (s) => {
          const result = handler(s);
          for (const { recipient, subjectKey } of s.json<DeliveryRow[]>(2)) {
            const row = s.get<DeliveryRow>('delivery', deliveryKey(recipient, subjectKey));
            // What was answered for without an attempt.
            if (row === undefined || row.appliedVersion <= row.revokeVersion) continue;
            const due = {
              state: 'due',
              revokeVersion: row.appliedVersion,
              revokeTo: row.desired,
              nextAttemptAt: s.now,
            };
            s.put('delivery', deliveryKey(recipient, subjectKey), { ...row, ...due });
          }
          return result;
        }
      : handler;
};

const catalogueInUse = 'FROM catalogue WHERE controller = $1 FOR SHARE';

/** RST-3: a connector believes the exposures of any database. */
export const restoreUnnoticed = reading(catalogueInUse, () => ({ restoredAt: null }));

/** DLV-3: after a loss every recipient counts as preloaded, but what was under way is forgotten with its window. */
export const windowForgotten = reading(catalogueInUse, (row) =>
  'restoredAt' in row && row.restoredAt !== null ? { restoredAt: 0 } : {},
);

/** DLV-6: who was never shared by us is not there, whoever else fed the recipient. */
export const preloadedForgotten = reading(catalogueInUse, (row) => {
  const { document } = row as { document: CatalogueDocument };
  return {
    document: { ...document, recipients: document.recipients.map((each) => ({ ...each, preloaded: false })) },
  };
});

/** TRK-1: an outcome settles whatever waits at that recipient, newer withdrawals too. */
export const settlesNewer: Mutations['tracked'] = (change, outcome) =>
  settle({ ...change, version: Math.min(change.version, outcome.version) }, outcome);
