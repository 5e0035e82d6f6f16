import type { Answer } from '@entente/connector-runtime';
import { describe, expect, test } from '@jest/globals';
import { readDeletion, readLookUp, readUpsert, refusalOf, saysYes } from './client.ts';
import { SalesforceSettings } from './settings.ts';

const settings = Object.assign(new SalesforceSettings(), { optOutFields: { news: 'HasOptedOutOfEmail' } });
const contact = { object: 'Contact', idField: 'Ext__c' } as const;
const consent = { object: 'ContactPointTypeConsent', idField: 'Consent_Ext__c' } as const;
const answer = (status: number, json: unknown): Answer => ({ status, json, headers: {} });

describe('an answer is read record by record, never from its status', () => {
  const ok = { id: '003', success: true, errors: [] };
  const failed = (statusCode: string, message = ''): object => ({ success: false, errors: [{ statusCode, message }] });
  test.each([
    ['written', ok, 'applied'],
    ['without id', { success: true }, 'unclear'],
    ['of nothing', {}, 'unclear'],
    ['locked', failed('UNABLE_TO_LOCK_ROW'), 'retry'],
    ['beyond the limit', failed('REQUEST_LIMIT_EXCEEDED'), 'retry'],
    ['not there', failed('REQUIRED_FIELD_MISSING'), 'absent'],
    ['without its Individual', failed('INVALID_FIELD', 'Foreign key external ID: s1 not found'), 'absent'],
    ['against a rule', failed('FIELD_CUSTOM_VALIDATION_EXCEPTION'), 'refused'],
    ['that is two', failed('DUPLICATE_EXTERNAL_ID'), 'refused'],
    ['with a code nobody knows', failed('SOMETHING_NEW'), 'refused'],
  ])('200, a record %s -> %s', (_, result, kind) =>
    expect(readUpsert(answer(200, [ok, result]), 2)).toMatchObject({
      kind: 'records',
      outcomes: [{ kind: 'applied' }, { kind }],
    }),
  );

  test('fewer results than records say nothing about any of them', () => {
    expect(readUpsert(answer(200, [ok]), 2)).toMatchObject({
      kind: 'records',
      outcomes: [{ kind: 'unclear' }, { kind: 'unclear' }],
    });
  });

  const error = (errorCode: string, message = ''): object[] => [{ errorCode, message }];
  test.each([
    ['a session that ended', answer(401, error('INVALID_SESSION_ID')), { kind: 'refused', why: 'authentication' }],
    [
      'the limit of a day',
      answer(403, error('REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.')),
      { kind: 'retry', why: 'throttled', afterMs: 900_000 },
    ],
    [
      'the limit of concurrent calls',
      answer(403, error('REQUEST_LIMIT_EXCEEDED', 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.')),
      { kind: 'retry', why: 'throttled' },
    ],
    ['another 403', answer(403, error('FORBIDDEN')), { kind: 'refused', why: 'permission' }],
    ['a bare 404', answer(404, undefined), { kind: 'refused', why: 'status-404' }],
    ['an outage', answer(503, error('SERVER_UNAVAILABLE')), { kind: 'retry', why: 'partner-busy' }],
    ['a gateway', answer(502, undefined), { kind: 'retry', why: 'status-502' }],
    ['an unknown field', answer(400, error('INVALID_FIELD')), { kind: 'refused', why: 'field-missing' }],
  ])('%s', (_, given, outcome) => expect(refusalOf(given)).toEqual(outcome));

  test('a 400 is about a record nobody names', () => {
    expect(readUpsert(answer(400, error('JSON_PARSER_ERROR')), 2)).toMatchObject({ kind: 'unreadable' });
  });

  test('a record that is gone already is nothing to delete; one that cannot be deleted parks', () => {
    const results = [ok, failed('ENTITY_IS_DELETED'), failed('DELETE_FAILED')];
    expect(readDeletion(answer(200, results), 3)).toEqual([
      { kind: 'applied' },
      { kind: 'nothing-to-do', why: 'already-deleted' },
      { kind: 'refused', why: 'delete-refused' },
    ]);
  });

  test.each([
    ['a failure inside', { results: [{ statusCode: 503, result: error('SERVER_UNAVAILABLE') }] }, 'retry'],
    ['an ended session inside', { results: [{ statusCode: 401, result: error('INVALID_SESSION_ID') }] }, 'refused'],
    [
      'a page that is not the last',
      { results: [{ statusCode: 200, result: { done: false, records: [] } }] },
      'unclear',
    ],
    ['no result', { results: [] }, 'unclear'],
  ])('a look-up with 200 and %s -> %s', (_, json, kind) =>
    expect(readLookUp(answer(200, json), [contact])).toMatchObject({ failure: { kind } }),
  );

  test('a consent that is not denied counts as a yes, and so does a checkbox that is not ticked', () => {
    expect(saysYes(consent, 'news', { PrivacyConsentStatus: 'Seen' }, settings)).toBe(true);
    expect(saysYes(contact, 'news', { HasOptedOutOfEmail: true }, settings)).toBe(false);
    expect(saysYes(contact, 'news', {}, settings)).toBe(true);
    expect(saysYes(contact, 'other', {}, settings)).toBeUndefined();
  });
});
