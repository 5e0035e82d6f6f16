import { purposeId, subjectKey, type PurposeId } from '@entente/contracts';
import type { Revocation } from '@entente/connector-runtime';
import { describe, expect, test } from '@jest/globals';
import { changeUsers, readUsers } from './client.ts';
import { isMalformed, planRemovals, rowLimit, rowsOf } from './plan.ts';
import { MetaSettings } from './settings.ts';

const [ads, lookalikes] = [purposeId('ads'), purposeId('lookalikes')];
const audiences = { ads: 'A1', lookalikes: 'A2' };
const hash = (character: string): string => character.repeat(64);
const person = (letter: string, allowed: PurposeId[], sets = 1): Revocation => ({
  subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
  version: 2,
  identifiers: Array.from({ length: sets }, (_, index) => ({
    'meta-email': hash(letter).slice(6) + String(100_000 + index),
  })),
  allowed,
  recipientPurposes: [ads, lookalikes],
});

describe('the plan', () => {
  test('per audience whose purpose fell away, exactly the hashes recorded', () => {
    const [all, some] = [person('a', []), person('b', [ads])];
    const { removals, unmapped } = planRemovals([all, some], audiences);
    expect(removals.map(({ audience, persons }) => [audience, persons.map(({ revocation }) => revocation)])).toEqual([
      ['A1', [all]],
      ['A2', [all, some]],
    ]);
    expect(unmapped.size).toBe(0);
  });

  test('a purpose without an audience is named, never skipped', () => {
    const all = person('a', []);
    expect(planRemovals([all], { ads: 'A1' }).unmapped).toEqual(new Set([all]));
  });

  test('never more rows in a call than Meta takes', () => {
    const { removals } = planRemovals([person('a', [ads], 6_000), person('b', [ads], 6_000)], audiences);
    expect(removals.map(({ persons }) => persons.flatMap(({ rows }) => rows).length)).toEqual([6_000, 6_000]);
    expect(rowLimit).toBe(10_000);
  });

  test('ACK-TRUTH: a person Meta could not know by anything is in no call, so nobody else’s answer is theirs', () => {
    const unknown = person('nobody', [ads], 0);
    const { removals, lacking } = planRemovals([unknown, person('a', [ads])], audiences);
    expect(lacking).toEqual(new Set([unknown]));
    expect(removals.flatMap(({ persons }) => persons.map(({ revocation }) => revocation))).not.toContain(unknown);
  });

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
    ['some invalid', answer(200, { num_received: 2, num_invalid_entries: 1 }), 'some-invalid'],
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
