import { describe, expect, test } from '@jest/globals';
import { ads, answered, contextOf, hash, revocationOf } from '../../testing/partner-context.ts';
import { changeUsers, readUsers } from './client.ts';
import { metaCustomAudiences } from './definition.ts';
import { isMalformed, rowsOf } from './plan.ts';
import { MetaSettings } from './settings.ts';

const audiences = { ads: 'A1', lookalikes: 'A2' };

describe('rows', () => {
  test('each set once; blanks where a kind is unknown', () => {
    const set = { 'meta-email': hash('a') };
    expect(rowsOf([set, set, { 'meta-phone': hash('b') }, {}])).toEqual([
      [hash('a'), ''],
      ['', hash('b')],
    ]);
    expect(isMalformed(['a@b.c', ''])).toBe(true);
    expect(isMalformed([hash('a'), ''])).toBe(false);
  });
});

describe('answers', () => {
  const answer = (status: number, json: unknown, headers = {}) => ({ status, json, headers });
  const error = (code: number, error_subcode?: number) => answer(400, { error: { code, error_subcode } });
  const outcome = (given: ReturnType<typeof answer>) => {
    const read = readUsers(given, 2);
    return read.kind === 'all' ? `${read.outcome.kind}: ${'why' in read.outcome ? read.outcome.why : ''}` : read.kind;
  };
  test.each([
    ['all taken', answer(200, { num_received: 2, num_invalid_entries: 0, session_id: '1' }), 'applied: '],
    ['some invalid', answer(200, { num_received: 2, num_invalid_entries: 1 }), 'some-bad'],
    [
      'fewer received than sent',
      answer(200, { num_received: 1, num_invalid_entries: 0 }),
      'unclear: unexpected-answer',
    ],
    ['not JSON', answer(200, undefined), 'unclear: unexpected-answer'],
    ['transient', error(2), 'retry: partner-error'],
    ['throttled', error(80003), 'retry: throttled'],
    ['token', error(190, 463), 'refused: authentication'],
    ['permission', error(294), 'refused: permission'],
    ['audience missing', error(100, 33), 'refused: audience-missing'],
    ['audience flagged', error(100, 1713230), 'refused: audience-flagged'],
    ['bad request', error(100), 'refused: rejected'],
    ['no body at all', answer(502, undefined), 'retry: status-502'],
  ])('%s -> %s', (_, given, expected) => expect(outcome(given)).toBe(expected));

  test('the usage header names the pause in minutes', () => {
    const header = JSON.stringify({ '1': [{ type: 'custom_audience', estimated_time_to_regain_access: 3 }] });
    const given = { ...error(17), headers: { 'x-business-use-case-usage': header } };
    expect(readUsers(given, 1)).toEqual({
      kind: 'all',
      outcome: { kind: 'retry', why: 'throttled', afterMs: 180_000 },
    });
  });

  test('no token in the URL', () => {
    const settings = Object.assign(new MetaSettings(), { token: 'secret', audiences });
    const request = changeUsers(settings, 'DELETE', 'A1', [[hash('a'), '']], 0);
    expect(request.url.href).toBe('https://graph.facebook.com/v25.0/A1/users');
    expect(request.headers['content-length']).toBe(String(String(request.body).length));
  });
});

describe('revoking', () => {
  test('a row called invalid is found by halves; a well-formed hash is tried again, another never can be', async () => {
    const sizes: number[] = [];
    const context = contextOf(Object.assign(new MetaSettings(), { token: 't', audiences }), (request) => {
      const { payload } = JSON.parse(String(request.body)) as { payload: { data: string[][] } };
      sizes.push(payload.data.length);
      const invalid = payload.data.filter(([email]) => email === 'plain' || email === hash('b')).length;
      return answered(200, { num_received: payload.data.length, num_invalid_entries: invalid });
    });
    const batch = [hash('a'), hash('b'), 'plain', hash('d')].map((email) =>
      revocationOf([{ 'meta-email': email }], [ads]),
    );
    expect(await metaCustomAudiences.revoke(batch, context)).toEqual([
      { kind: 'applied' },
      { kind: 'retry', why: 'invalid-entries' },
      { kind: 'refused', why: 'invalid-identifier' },
      { kind: 'applied' },
    ]);
    expect(sizes).toEqual([4, 2, 1, 1, 2, 1, 1]);
  });
});
