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
import { definePartner, type PartnerDefinition } from '../../../libs/connector-runtime/src/partner/definition.ts';
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
      const sent = await context.call(
        request({
          effect: 'revoke',
          items: batch.map(({ subjectKey, version, allowed, recipientPurposes }) => ({
            subject: subjectKey,
            purposes: recipientPurposes.filter((purpose) => !allowed.includes(purpose)),
            version,
          })),
        }),
      );
      const outcome = taken(
        sent,
        judged(sent, (answer) => read(answer, context.now())),
      );
      return batch.map(() => outcome);
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
