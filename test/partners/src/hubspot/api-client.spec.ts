import { Client } from '@hubspot/api-client';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Served, serving, stopServing } from '../testing/serving.ts';

afterEach(stopServing);

/** Its own retries off: a refusal is to be seen once. */
const connect = ({ url }: Served, accessToken = 'test-token'): Client =>
  new Client({ accessToken, basePath: url, numberOfApiCallRetries: 0 });
const start = (): Promise<Served> => serving('hubspot', { token: 'test-token', subscriptionIds: [1001, 1002] });
/** The client has no methods for the dated communication preferences yet; its generic request goes there. */
const statuses = (email: string): string => `/communication-preferences/2026-03/statuses/${encodeURIComponent(email)}`;

describe('@hubspot/api-client, unchanged, works against this server', () => {
  test('contacts are written by e-mail and read back', async () => {
    const hubspot = await start();
    const client = connect(hubspot);
    const written = await client.crm.contacts.batchApi.upsert({
      inputs: [{ id: 'ann@b.de', idProperty: 'email', properties: { firstname: 'Ann' } }],
    });
    expect(written).toMatchObject({ status: 'COMPLETE', results: [{ properties: { firstname: 'Ann' } }] });
    const read = await client.crm.contacts.basicApi.getById(
      'ann@b.de',
      ['firstname'],
      undefined,
      undefined,
      false,
      'email',
    );
    expect(read.properties).toMatchObject({ firstname: 'Ann' });
  });

  test('a revocation: out of one subscription, then out of all', async () => {
    const hubspot = await start();
    const client = connect(hubspot);
    const one = await client.apiRequest({
      method: 'POST',
      path: statuses('ann@b.de'),
      body: { channel: 'EMAIL', statusState: 'UNSUBSCRIBED', subscriptionId: 1001 },
    });
    expect(await one.json()).toMatchObject({ results: [{ status: 'UNSUBSCRIBED', subscriptionId: 1001 }] });
    const all = await client.apiRequest({
      method: 'POST',
      path: `${statuses('ann@b.de')}/unsubscribe-all`,
      qs: { channel: 'EMAIL' },
    });
    expect(all.status).toBe(200);
    expect(await hubspot.state('ann@b.de')).toMatchObject({ optedOutOfAll: true });
  });

  test('an erasure, and refusals in HubSpot’s own words', async () => {
    const hubspot = await start();
    const client = connect(hubspot);
    await client.crm.contacts.batchApi.upsert({
      inputs: [{ id: 'ann@b.de', idProperty: 'email', properties: { firstname: 'Ann' } }],
    });
    await client.crm.contacts.basicApi.purge({ objectId: 'ann@b.de', idProperty: 'email' });
    expect(await hubspot.state('ann@b.de')).toMatchObject({ contact: null });
    await expect(
      client.crm.contacts.basicApi.getById('ann@b.de', [], undefined, undefined, false, 'email'),
    ).rejects.toMatchObject({ code: 404 });
    const stranger = connect(hubspot, 'another-token');
    await expect(stranger.crm.contacts.batchApi.upsert({ inputs: [] })).rejects.toMatchObject({ code: 401 });
  });
});
