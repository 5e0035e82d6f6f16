import { describe, expect, test } from '@jest/globals';
import { ProblemAnswer, Unreachable } from '../client/entente-client.ts';
import { nextAttempts } from './next-attempts.ts';

const now = Date.parse('2026-01-01T00:00:00.000Z');
const at = (ms: number): string => new Date(now + ms).toISOString();
const progress = (states: Readonly<Record<string, string>>, more: object = {}) => ({
  ...{ subjectKey: 'k1.person', direction: 'deny' },
  recipients: Object.entries(states).map(([recipient, state]) => ({ recipient, name: recipient, state })),
  ...more,
});
/** Connectors by address: what each says of its recipients. */
const connectors = (known: Readonly<Record<string, Readonly<Record<string, object>> | Error>>) => {
  const asked: string[] = [];
  const get = <T>(url: string): Promise<T> => {
    asked.push(url);
    const [, address = '', recipient = ''] = /^(http:\/\/[a-z]+)\/v1\/deliveries\/([^/]+)\/k1\.person$/.exec(url) ?? [];
    const service = known[address];
    if (service instanceof Error) return Promise.reject(service);
    const delivery = service?.[recipient];
    return delivery === undefined
      ? Promise.reject(new ProblemAnswer(404, { title: 'unknown delivery' }))
      : Promise.resolve(delivery as T);
  };
  return { asked, get, urls: Object.keys(known) };
};

describe('the next attempt at a recipient that has not answered', () => {
  test.each([
    ['waits for its time', { state: 'unclear', nextAttemptAt: at(11_200) }, 'next attempt in 12 s'],
    ['is due', { state: 'waiting', nextAttemptAt: at(-5) }, 'next attempt now'],
    ['runs', { state: 'claimed', nextAttemptAt: at(9_000) }, 'an attempt runs'],
    ['is not known', { state: 'parked', nextAttemptAt: null }, undefined],
  ])('%s', async (_name, delivery, words) => {
    const { get, urls } = connectors({ 'http://crm': {}, 'http://ads': { meta: delivery } });
    expect((await nextAttempts({ get }, urls, progress({ meta: 'retrying' }), now)).get('meta')).toBe(words);
  });

  test('is asked of nobody who has answered or is parked, nor for a grant, nor of a person the caller may not know', async () => {
    const { get, asked, urls } = connectors({ 'http://ads': {} });
    const settled = progress({ meta: 'accepted', x: 'parked' });
    const waiting = { meta: 'retrying' };
    for (const each of [settled, progress(waiting, { direction: 'grant' }), progress(waiting, { subjectKey: null })])
      expect((await nextAttempts({ get }, urls, each, now)).size).toBe(0);
    expect(asked).toEqual([]);
  });

  test('a connector that is away is told, and any other fault is not hidden', async () => {
    const ask = (fault: Error) => {
      const { get, urls } = connectors({ 'http://ads': fault });
      return nextAttempts({ get }, urls, progress({ meta: 'waiting' }), now);
    };
    expect((await ask(new Unreachable('no'))).get('meta')).toBe('a connector does not answer');
    await expect(ask(new ProblemAnswer(403, { title: 'no scope' }))).rejects.toThrow();
  });
});
