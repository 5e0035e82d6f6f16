import { afterEach, describe, expect, test } from '@jest/globals';
import { Connection } from 'jsforce';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { type Served, serving, stopServing } from '../testing/serving.ts';

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const field = 'Consent_Subject_Id__c';
const start = (options = {}): Promise<Served> =>
  serving('salesforce', {
    clientId: '3MVG9.acme',
    clientSecret: 'secret',
    username: 'entente@acme.example',
    certificateKey: keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    ...options,
  });
const connect = ({ url }: Served): Connection =>
  new Connection({ version: '66.0', oauth2: { loginUrl: url, clientId: '3MVG9.acme', clientSecret: 'secret' } });

afterEach(stopServing);

function assertionFor(audience: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: '3MVG9.acme',
    sub: 'entente@acme.example',
    aud: audience,
    exp: Math.floor(Date.now() / 1000) + 120,
  };
  const signed = `${part({ alg: 'RS256' })}.${part(claims)}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(keys.privateKey).toString('base64url')}`;
}

describe('jsforce, unchanged, works against this server', () => {
  test('client credentials, then an upsert by external id with one record that fails', async () => {
    const salesforce = await start();
    const connection = connect(salesforce);
    await connection.authorize({ grant_type: 'client_credentials' });
    expect(connection.instanceUrl).toBe(salesforce.url);
    const results = await connection.sobject('Contact').upsert(
      [
        { [field]: 'subj-1', LastName: 'Ames', HasOptedOutOfEmail: true },
        { [field]: 'subj-2', HasOptedOutOfEmail: true },
      ],
      field,
    );
    expect(results).toEqual([
      { id: expect.stringMatching(/^003/), success: true, created: true, errors: [] },
      { success: false, errors: [expect.objectContaining({ statusCode: 'REQUIRED_FIELD_MISSING' })] },
    ]);
    expect(await salesforce.state('subj-1')).toMatchObject({ contact: { HasOptedOutOfEmail: true } });
  });

  test('JWT bearer, then a query and a deletion', async () => {
    const salesforce = await start();
    const connection = connect(salesforce);
    await connection.authorize({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: assertionFor(salesforce.url),
    });
    await connection.sobject('Individual').upsert([{ [field]: "o'neil", LastName: 'Neil' }], field);
    const found = await connection.query(
      `SELECT Id, HasOptedOutSolicit FROM Individual WHERE ${field} IN ('o\\'neil')`,
    );
    expect(found).toMatchObject({ totalSize: 1, done: true, records: [{ HasOptedOutSolicit: false }] });
    const ids = found.records.map(({ Id }) => String(Id));
    expect(await connection.sobject('Individual').destroy(ids)).toEqual([{ id: ids[0], success: true, errors: [] }]);
    expect(await salesforce.state("o'neil")).not.toHaveProperty('individual');
  });

  test('a wrong secret is refused, and an ended session renewed, as jsforce expects it', async () => {
    const salesforce = await start({ sessionMs: 60_000 });
    const stranger = new Connection({
      oauth2: { loginUrl: salesforce.url, clientId: '3MVG9.acme', clientSecret: 'wrong' },
    });
    await expect(stranger.authorize({ grant_type: 'client_credentials' })).rejects.toMatchObject({
      name: 'invalid_client',
    });
    let sessions = 0;
    const oauth2 = { loginUrl: salesforce.url, clientId: '3MVG9.acme', clientSecret: 'secret' };
    const connection: Connection = new Connection({
      version: '66.0',
      oauth2,
      instanceUrl: salesforce.url,
      refreshFn: (renewed, done) => {
        sessions += 1;
        renewed.authorize({ grant_type: 'client_credentials' }).then(
          () => void done(null, renewed.accessToken ?? ''),
          (error: unknown) => void done(error as Error),
        );
      },
    });
    const query = `SELECT Id FROM Contact WHERE Email = 'a@b.c'`;
    expect(await connection.query(query)).toMatchObject({ totalSize: 0 });
    await salesforce.advanceClock(60_000);
    expect(await connection.query(query)).toMatchObject({ totalSize: 0 });
    expect(sessions).toBe(2);
  });
});
