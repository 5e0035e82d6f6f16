import type { Sent } from '@entente/gate';
import {
  failureOf,
  judged,
  member,
  retryAfterMs,
  type Answer,
} from '../../../libs/connector-runtime/src/partner/answer.ts';
import { shareInOneRequest } from '../../../libs/connector-runtime/src/partner/gated-share.ts';
import type { Outcome } from '../../../libs/connector-runtime/src/partner/outcome.ts';
import {
  definePartner,
  type PartnerDefinition,
  type Revocation,
} from '../../../libs/connector-runtime/src/partner/definition.ts';
import type { PurposeId } from '@entente/contracts';
import type { Effect } from '../../faults/checker/history.ts';
import type { PartnerCall } from './partner.ts';

/** A recipient without a setting of its own. */
class NoSettings {
  readonly none = true;
}

const url = new URL('http://partner.test/');
const request = (call: Omit<PartnerCall, 'attempt'>) => ({
  method: 'POST',
  url,
  headers: {},
  body: JSON.stringify(call),
});

/** The partner's contract: 200 with `ok: true` means done, for everybody in the request. */
function read(answer: Answer, now: number): Outcome {
  if (answer.status !== 200) return failureOf(answer, retryAfterMs(answer.headers, now));
  if (member(answer.json, 'ok') === true) return { kind: 'applied' };
  return member(answer.json, 'ok') === false
    ? { kind: 'retry', why: 'partner-error' }
    : { kind: 'unclear', why: 'no-json' };
}

const without = (purposes: readonly PurposeId[], taken: readonly PurposeId[]): PurposeId[] =>
  purposes.filter((purpose) => !taken.includes(purpose));
/** What a partner that is told whole states is told no of. */
const denied = ({ allowed, stopped, recipientPurposes }: Revocation): PurposeId[] =>
  without(recipientPurposes, without(allowed, stopped));

/** One folder's worth of partner, against `SimPartner`. */
export const simDefinition = (taken: (sent: Sent, outcome: Outcome) => Outcome): PartnerDefinition<NoSettings> =>
  definePartner({
    partner: 'sim',
    kind: 'crm',
    settings: NoSettings,
    identifiers: ['email'],
    limits: { shareBatch: 5, revokeBatch: 5, concurrency: 4, calls: 1_000, perMs: 1_000 },
    documentedDelay: { en: 'none', fr: 'aucun' },
    shareBy: 'recipient',
    share: (batch, context) =>
      shareInOneRequest(
        context.egress,
        batch,
        (items) =>
          request({
            effect: 'share',
            items: items.map(({ subjectKey, purpose, requestId }) => ({
              ...{ subject: subjectKey, purpose, purposes: [purpose], request: requestId },
            })),
          }),
        (answer, items) => items.map(() => read(answer, context.now())),
        context.signal,
      ),
    async revoke(batch, context) {
      const told = async (
        effect: Effect,
        items: readonly Revocation[],
        purposesOf: (item: Revocation) => readonly PurposeId[],
      ): Promise<[Revocation, Outcome][]> => {
        if (items.length === 0) return [];
        const sent = await context.call(
          request({
            effect,
            items: items.map((item) => ({
              ...{ subject: item.subjectKey, purposes: purposesOf(item), version: item.version },
            })),
          }),
        );
        const outcome = taken(
          sent,
          judged(sent, (answer) => read(answer, context.now())),
        );
        return items.map((item) => [item, outcome]);
      };
      // Told a person's whole state, as some partners are: where nothing is taken away that is to be told of what is allowed.
      const revoked = batch.filter((item) => denied(item).length > 0);
      const restated = batch.filter((item) => !revoked.includes(item));
      const outcomes = new Map([
        ...(await told('revoke', revoked, denied)),
        ...(await told('reinstate', restated, ({ allowed }) => allowed)),
      ]);
      return batch.map((item) => outcomes.get(item) ?? { kind: 'unclear', why: 'no-outcome' });
    },
    reinstate: (batch, context) =>
      shareInOneRequest(
        context.egress,
        batch.map(({ item }) => item),
        (items) =>
          request({
            effect: 'reinstate',
            items: items.map(({ subjectKey, purpose }) => ({ subject: subjectKey, purpose, purposes: [purpose] })),
          }),
        (answer, items) => items.map(() => read(answer, context.now())),
        context.signal,
      ),
  });
