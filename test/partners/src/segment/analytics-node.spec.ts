import { afterEach, describe, expect, test } from '@jest/globals';
import { Analytics } from '@segment/analytics-node';
import { type Served, serving, stopServing } from '../testing/serving.ts';

afterEach(stopServing);

const start = (): Promise<Served> => serving('segment', { writeKey: 'test-write-key' });
const connect = ({ url }: Served, writeKey = 'test-write-key'): { client: Analytics; errors: unknown[] } => {
  const client = new Analytics({ writeKey, host: url, flushAt: 1, maxRetries: 0 });
  const errors: unknown[] = [];
  client.on('error', (error) => errors.push(error));
  return { client, errors };
};
const consent = (categoryPreferences: Record<string, boolean>) => ({ context: { consent: { categoryPreferences } } });

describe('@segment/analytics-node, unchanged, works against this server', () => {
  test('an event that carries the person’s consent is tracked, one without any yes is filtered', async () => {
    const segment = await start();
    const { client, errors } = connect(segment);
    client.track({ userId: 'user-1', event: 'Bought', properties: { price: 3 }, ...consent({ Analytics: true }) });
    client.track({ userId: 'user-2', event: 'Bought', ...consent({ Analytics: false }) });
    await client.closeAndFlush();
    expect(errors).toEqual([]);
    expect((await segment.effects()).map(({ what, identifiers }) => `${what} ${identifiers[0]}`).sort()).toEqual([
      'filtered user-2',
      'tracked user-1',
    ]);
  });

  test('a revocation: the consent preferences of a person, as Segment’s own event', async () => {
    const segment = await start();
    const { client, errors } = connect(segment);
    client.track({
      userId: 'user-1',
      event: 'Segment Consent Preference Updated',
      ...consent({ Analytics: false, Advertising: true }),
    });
    await client.closeAndFlush();
    expect(errors).toEqual([]);
    expect(await segment.state('user-1')).toMatchObject({ preferences: { Analytics: false, Advertising: true } });
  });

  test('a write key nobody owns is refused, and the client says so', async () => {
    const segment = await start();
    const { client, errors } = connect(segment, 'another-key');
    client.identify({ userId: 'user-1', traits: { plan: 'free' } });
    await client.closeAndFlush();
    expect(errors).toHaveLength(1);
    expect(await segment.effects()).toEqual([]);
  });
});
