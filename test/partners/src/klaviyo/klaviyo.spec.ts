import { afterEach, describe, expect, test } from '@jest/globals';
import { type Served, serving, stopServing } from '../testing/serving.ts';

const headers = { authorization: 'Klaviyo-API-Key pk_test', revision: '2026-07-15' };
const start = (options = {}): Promise<Served> => serving('klaviyo', options, headers);
const create = '/api/profile-suppression-bulk-create-jobs';
const lift = '/api/profile-suppression-bulk-delete-jobs';
const withSubscriptions = '/api/profile-import?additional-fields[profile]=subscriptions';
const profile = (attributes: object): object => ({ data: { type: 'profile', attributes } });
const job = (type: string, ...emails: readonly string[]): object => ({
  data: {
    type,
    attributes: { profiles: { data: emails.map((email) => ({ type: 'profile', attributes: { email } })) } },
  },
});
const suppression = (...emails: readonly string[]): object => job('profile-suppression-bulk-create-job', ...emails);
const lifting = (...emails: readonly string[]): object => job('profile-suppression-bulk-delete-job', ...emails);

afterEach(stopServing);

describe('Klaviyo profiles', () => {
  test('import creates with 201, updates with 200, clears with null', async () => {
    const klaviyo = await start();
    const send = (properties: object): ReturnType<Served['call']> =>
      klaviyo.call('POST', '/api/profile-import', profile({ email: 'Ann@b.de', first_name: 'Ann', properties }));
    expect(await send({ plan: 'free', ads: 'granted' })).toMatchObject({
      status: 201,
      body: {
        data: { type: 'profile', attributes: { email: 'ann@b.de', properties: { plan: 'free', ads: 'granted' } } },
      },
    });
    expect(await send({ ads: 'denied', plan: null })).toMatchObject({
      status: 200,
      body: { data: { attributes: { first_name: 'Ann', properties: { ads: 'denied' } } } },
    });
    expect(await klaviyo.state('ann@b.de')).toMatchObject({ properties: { ads: 'denied' } });
  });

  test.each([
    ['no type', { data: { attributes: { email: 'a@b.de' } } }],
    ['no address', profile({ properties: {} })],
    ['an address that is none', profile({ email: 'nobody' })],
    ['a field no profile has', profile({ email: 'a@b.de', plan: 'free' })],
    ['malformed JSON', '{"data":'],
  ])('%s is a 400 with a JSON:API error and no effect', async (_, body) => {
    const klaviyo = await start();
    expect(await klaviyo.call('POST', '/api/profile-import', body)).toMatchObject({
      status: 400,
      body: { errors: [{ status: 400, code: 'invalid', source: { pointer: expect.any(String) } }] },
    });
    expect(await klaviyo.effects()).toEqual([]);
  });

  test('a wrong key is 401, no revision 400', async () => {
    const klaviyo = await start();
    const body = profile({ email: 'a@b.de' });
    const wrong = { authorization: 'Klaviyo-API-Key pk_other' };
    expect((await klaviyo.call('POST', '/api/profile-import', body, wrong)).status).toBe(401);
    expect((await klaviyo.call('POST', '/api/profile-import', body, { revision: 'latest' })).status).toBe(400);
  });
});

describe('Klaviyo suppressions', () => {
  test('a job is queued with 202, completes by its clock and makes unknown profiles; lifting takes it back', async () => {
    const klaviyo = await start({ jobFinishedAfterMs: 60_000 });
    const queued = await klaviyo.call('POST', create, suppression('a@b.de', 'c@d.de'));
    expect(queued).toMatchObject({ status: 202, body: { data: { attributes: { status: 'queued', total_count: 2 } } } });
    const path = `${create}/${String(queued.body['data']?.['id'])}`;
    expect(await klaviyo.state('a@b.de')).toMatchObject({ unknown: true });
    await klaviyo.advanceClock(60_000);
    expect((await klaviyo.call('GET', path)).body).toMatchObject({
      data: { attributes: { status: 'complete', completed_count: 2 } },
    });
    expect(await klaviyo.state('a@b.de')).toMatchObject({ suppressions: ['USER_SUPPRESSED'] });
    await klaviyo.call('POST', lift, lifting('a@b.de', 'x@y.de'));
    await klaviyo.advanceClock(60_000);
    expect(await klaviyo.state('a@b.de')).toMatchObject({ suppressions: [] });
    expect(await klaviyo.state('x@y.de')).toMatchObject({ unknown: true });
  });

  test('what a person asked for themselves is not lifted; the profile shows it', async () => {
    const klaviyo = await start({ jobFinishedAfterMs: 0 });
    const subscriptions = { email: { marketing: { consent: 'UNSUBSCRIBED' } } };
    const data = [{ type: 'profile', attributes: { email: 'a@b.de', subscriptions } }];
    const body = { data: { type: 'profile-subscription-bulk-delete-job', attributes: { profiles: { data } } } };
    expect(await klaviyo.call('POST', '/api/profile-subscription-bulk-delete-jobs', body)).toMatchObject({
      status: 202,
      text: '',
    });
    await klaviyo.call('POST', create, suppression('a@b.de'));
    await klaviyo.call('POST', lift, lifting('a@b.de'));
    const shown = await klaviyo.call('POST', withSubscriptions, profile({ email: 'a@b.de' }));
    expect(shown.body['data']?.['attributes']).toMatchObject({
      subscriptions: {
        email: { marketing: { can_receive_email_marketing: false, suppression: [{ reason: 'UNSUBSCRIBE' }] } },
      },
    });
  });

  test('one wrong address refuses the whole job; so do 101', async () => {
    const klaviyo = await start();
    const answer = await klaviyo.call('POST', create, suppression('a@b.de', 'nobody'));
    expect(answer.body['errors']?.['0']).toMatchObject({
      source: { pointer: '/data/attributes/profiles/data/1/attributes/email' },
    });
    const many = Array.from({ length: 101 }, (_, n) => `p${n}@b.de`);
    expect((await klaviyo.call('POST', create, suppression(...many))).status).toBe(400);
    expect(await klaviyo.effects()).toEqual([]);
  });

  test('a deletion names exactly one identifier', async () => {
    const klaviyo = await start();
    const erase = (attributes: object): ReturnType<Served['call']> =>
      klaviyo.call('POST', '/api/data-privacy-deletion-jobs', {
        data: {
          type: 'data-privacy-deletion-job',
          attributes: { profile: { data: { type: 'profile', attributes } } },
        },
      });
    await klaviyo.call('POST', '/api/profile-import', profile({ email: 'a@b.de' }));
    expect((await erase({ email: 'a@b.de', id: '1' })).status).toBe(400);
    expect((await erase({ email: 'a@b.de' })).status).toBe(202);
    expect(await klaviyo.state('a@b.de')).toMatchObject({ unknown: true });
  });
});

describe('Klaviyo limits and lies', () => {
  test('its rate limit answers 429 with Retry-After and counts down in headers', async () => {
    const klaviyo = await start({ rate: { requests: 1, perMs: 60_000 } });
    const first = await klaviyo.call('POST', create, suppression('a@b.de'));
    expect(first.headers.get('ratelimit-remaining')).toBe('0');
    const second = await klaviyo.call('POST', create, suppression('a@b.de'));
    expect(second).toMatchObject({ status: 429, body: { errors: [{ code: 'throttled' }] } });
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(50);
  });

  test('lie: a job that is cancelled, a profile as it was', async () => {
    const klaviyo = await start({ jobFinishedAfterMs: 0 });
    await klaviyo.call('POST', '/api/profile-import', profile({ email: 'a@b.de', properties: { ads: 'granted' } }));
    await klaviyo.setFaults({ kind: 'lie' });
    expect(await klaviyo.call('POST', create, suppression('a@b.de'))).toMatchObject({
      status: 202,
      body: { data: { attributes: { status: 'cancelled' } } },
    });
    const body = profile({ email: 'a@b.de', properties: { ads: 'denied' } });
    expect(await klaviyo.call('POST', '/api/profile-import', body)).toMatchObject({
      status: 200,
      body: { data: { attributes: { properties: { ads: 'granted' } } } },
    });
    expect(await klaviyo.state('a@b.de')).toMatchObject({ properties: { ads: 'granted' }, suppressions: [] });
  });

  test('a restart rebuilds profiles and jobs from the journal', async () => {
    const first = await start({ jobFinishedAfterMs: 60_000 });
    await first.call('POST', create, suppression('a@b.de'));
    await first.stop();
    const second = await start({ journal: first.file, jobFinishedAfterMs: 60_000 });
    await second.advanceClock(60_000);
    expect(await second.state('a@b.de')).toMatchObject({ suppressions: ['USER_SUPPRESSED'] });
  });
});
