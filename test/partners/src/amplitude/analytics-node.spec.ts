import { createInstance, Identify } from '@amplitude/analytics-node';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Served, serving, stopServing } from '../testing/serving.ts';

afterEach(stopServing);

/** Sends each event at once, and does not repeat for minutes what is refused. */
async function connect({ url }: Served, apiKey = 'test-api-key') {
  const client = createInstance();
  await client.init(apiKey, { serverUrl: `${url}/2/httpapi`, flushIntervalMillis: 10, flushMaxRetries: 1, logLevel: 0 })
    .promise;
  return client;
}

describe('@amplitude/analytics-node, unchanged, works against this server', () => {
  test('an event with its user properties', async () => {
    const amplitude = await serving('amplitude');
    const client = await connect(amplitude);
    const { code } = await client.track('Page Viewed', { page: '/' }, { user_id: 'user-1' }).promise;
    expect(code).toBe(200);
    expect(await amplitude.state('user-1')).toMatchObject({ counts: { tracked: 1 } });
  });

  test('properties of a user, as a revocation writes them', async () => {
    const amplitude = await serving('amplitude');
    const client = await connect(amplitude);
    const denied = new Identify().set('ads_consent', 'denied');
    const { code } = await client.identify(denied, { user_id: 'user-1' }).promise;
    expect(code).toBe(200);
    expect(await amplitude.state('user-1')).toMatchObject({ properties: { ads_consent: 'denied' } });
  });

  test('a wrong key and an id that is too short are refused with 400', async () => {
    const amplitude = await serving('amplitude');
    const stranger = await connect(amplitude, 'another-key');
    expect(await stranger.track('Page Viewed', {}, { user_id: 'user-1' }).promise).toMatchObject({
      code: 400,
      message: expect.stringContaining('Invalid API key'),
    });
    const client = await connect(amplitude);
    const event = { event_type: 'Page Viewed', user_id: 'u1' };
    expect((await client.track({ ...event, device_id: '' }).promise).code).toBe(400);
    expect(await amplitude.effects()).toEqual([]);
  });
});
