import { afterEach, describe, expect, test } from '@jest/globals';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const field = 'Consent_Subject_Id__c';
const base = '/services/data/v66.0';
const collection = (object: string): string => `${base}/composite/sobjects/${object}/${field}`;
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const credentials = 'grant_type=client_credentials&client_id=3MVG9.test&client_secret=test-secret';

interface SignedIn extends Served {
  send(method: string, path: string, body?: unknown): Promise<Reply>;
}

async function signedIn(options = {}): Promise<SignedIn> {
  const salesforce = await serving('salesforce', options);
  const granted = await salesforce.call('POST', '/services/oauth2/token', credentials, form);
  const authorization = `Bearer ${String(granted.body['access_token'])}`;
  return { ...salesforce, send: (method, path, body) => salesforce.call(method, path, body, { authorization }) };
}
const records = (object: string, ...given: readonly object[]): object => ({
  allOrNone: false,
  records: given.map((each) => ({ attributes: { type: object }, ...each })),
});
const contact = (id: string, more: object = {}): object => ({ [field]: id, LastName: 'Ames', ...more });

afterEach(stopServing);

describe('Salesforce sessions', () => {
  test.each([
    ['an unknown app', credentials.replace('3MVG9', '3MVG8'), 'invalid_client_id'],
    ['a wrong secret', `${credentials}x`, 'invalid_client'],
    ['another grant', 'grant_type=password', 'unsupported_grant_type'],
    [
      'an assertion nobody signed',
      'grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c',
      'invalid_grant',
    ],
  ])('%s gets none', async (_, body, error) => {
    const salesforce = await serving('salesforce');
    expect(await salesforce.call('POST', '/services/oauth2/token', body, form)).toMatchObject({
      status: 400,
      body: { error },
    });
  });

  test('one ends by the organisation’s policy, whatever the answer named', async () => {
    const salesforce = await signedIn({ sessionMs: 60_000 });
    const send = (): Promise<Reply> =>
      salesforce.send('PATCH', collection('Contact'), records('Contact', contact('s1')));
    expect((await send()).headers.get('sforce-limit-info')).toMatch(/^api-usage=\d+\/100000$/);
    await salesforce.advanceClock(60_000);
    expect(await send()).toMatchObject({ status: 401, body: [{ errorCode: 'INVALID_SESSION_ID' }] });
  });
});

describe('Salesforce collections', () => {
  test('200 whatever became of the records: each has its own result, in order', async () => {
    const salesforce = await signedIn();
    const body = records('Contact', contact('s1'), { [field]: 's2' }, contact('s3'), contact('S3'));
    expect(await salesforce.send('PATCH', collection('Contact'), body)).toMatchObject({
      status: 200,
      body: [
        { success: true, created: true },
        { success: false, errors: [{ statusCode: 'REQUIRED_FIELD_MISSING', fields: ['LastName'] }] },
        { success: false, errors: [{ statusCode: 'DUPLICATE_VALUE' }] },
        { success: false, errors: [{ statusCode: 'DUPLICATE_VALUE' }] },
      ],
    });
    const again = records('Contact', { [field]: 'S1', HasOptedOutOfEmail: true });
    expect((await salesforce.send('PATCH', collection('Contact'), again)).body).toMatchObject([
      { success: true, created: false },
    ]);
    expect(await salesforce.state('s1')).toMatchObject({ contact: { LastName: 'Ames', HasOptedOutOfEmail: true } });
  });

  test.each([
    ['a field it has not', { Plan__c: 'free' }, 'INVALID_FIELD'],
    ['a checkbox that is a text', { HasOptedOutOfEmail: 'true' }, 'JSON_PARSER_ERROR'],
  ])('%s refuses the whole request', async (_, more, errorCode) => {
    const salesforce = await signedIn();
    const body = records('Contact', contact('s1'), contact('s2', more));
    expect(await salesforce.send('PATCH', collection('Contact'), body)).toMatchObject({
      status: 400,
      body: [{ errorCode }],
    });
    expect((await salesforce.effects()).filter(({ what }) => what !== 'tokenIssued')).toEqual([]);
  });

  test('allOrNone takes all back for one; 201 records are too many; no external id is 404', async () => {
    const salesforce = await signedIn();
    const body = { ...records('Contact', contact('s1'), { [field]: 's2' }), allOrNone: true };
    expect((await salesforce.send('PATCH', collection('Contact'), body)).body).toMatchObject([
      { success: false, errors: [{ statusCode: 'ALL_OR_NONE_OPERATION_ROLLED_BACK' }] },
      { success: false, errors: [{ statusCode: 'REQUIRED_FIELD_MISSING' }] },
    ]);
    expect(await salesforce.state('s1')).not.toHaveProperty('contact');
    const many = records('Contact', ...Array.from({ length: 201 }, (_, index) => contact(`s${index}`)));
    expect((await salesforce.send('PATCH', collection('Contact'), many)).status).toBe(400);
    expect((await salesforce.send('PATCH', `${base}/composite/sobjects/Contact/Email`, body)).status).toBe(404);
  });

  test('a consent needs its Individual and a value of the picklist', async () => {
    const salesforce = await signedIn();
    const consent = {
      [field]: 's1/news',
      Name: 'news',
      Party: { [field]: 's1' },
      ContactPointType: 'Email',
      CaptureContactPointType: 'Web',
      CaptureDate: '2026-11-22T10:00:00.000Z',
      CaptureSource: 'test',
      PrivacyConsentStatus: 'OptIn',
    };
    const write = (more: object = {}): Promise<Reply> =>
      salesforce.send(
        'PATCH',
        collection('ContactPointTypeConsent'),
        records('ContactPointTypeConsent', { ...consent, ...more }),
      );
    expect((await write()).body).toMatchObject([
      { errors: [{ statusCode: 'INVALID_FIELD', message: expect.stringMatching(/^Foreign key external ID/) }] },
    ]);
    await salesforce.send('PATCH', collection('Individual'), records('Individual', contact('s1')));
    expect((await write({ PrivacyConsentStatus: 'No' })).body).toMatchObject([
      { errors: [{ statusCode: 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST' }] },
    ]);
    expect((await write()).body).toMatchObject([{ success: true }]);
    expect(await salesforce.state('s1')).toMatchObject({ consents: [{ PrivacyConsentStatus: 'OptIn' }] });
  });
});

describe('Salesforce queries', () => {
  test('a batch is 200 also where a query in it failed', async () => {
    const salesforce = await signedIn();
    await salesforce.send('PATCH', collection('Contact'), records('Contact', contact('s1')));
    const ask = (soql: string): object => ({ method: 'GET', url: `v66.0/query/?q=${encodeURIComponent(soql)}` });
    const batchRequests = [
      ask(`SELECT Id, HasOptedOutOfEmail FROM Contact WHERE ${field} IN ('S1','s2')`),
      ask(`SELECT Id FROM Contact WHERE Nothing__c IN ('s1')`),
      ask('SELECT'),
    ];
    expect((await salesforce.send('POST', `${base}/composite/batch`, { batchRequests })).body).toMatchObject({
      hasErrors: true,
      results: [
        { statusCode: 200, result: { totalSize: 1, done: true, records: [{ HasOptedOutOfEmail: false }] } },
        { statusCode: 400, result: [{ errorCode: 'INVALID_FIELD' }] },
        { statusCode: 400, result: [{ errorCode: 'MALFORMED_QUERY' }] },
      ],
    });
  });

  test('Consent Write is 200 with errors inside where it finds nobody, or takes no such action', async () => {
    const salesforce = await signedIn();
    const person = contact('s1', { Email: 'a@b.c' });
    await salesforce.send('PATCH', collection('Contact'), records('Contact', person));
    const write = (action: string, email: string): Promise<Reply> =>
      salesforce.send('PATCH', `${base}/consent/action/${action}?ids=${email}`, {});
    expect(await write('email', 'x@y.z')).toMatchObject({ status: 200, body: { 'x@y.z': { result: 'Failure' } } });
    expect(await write('fly', 'a@b.c')).toMatchObject({ status: 200, body: { 'a@b.c': { result: 'Failure' } } });
    expect(await write('email', 'a@b.c')).toMatchObject({ status: 200, body: { 'a@b.c': { result: 'Success' } } });
    expect(await salesforce.state('s1')).toMatchObject({ contact: { HasOptedOutOfEmail: true } });
  });
});

describe('Salesforce, misbehaving on command', () => {
  const write = (salesforce: SignedIn): Promise<Reply> =>
    salesforce.send('PATCH', collection('Contact'), records('Contact', contact('s1'), contact('s2')));

  test('it lies with 200 and throttles with 403', async () => {
    const salesforce = await signedIn();
    await salesforce.setFaults({ kind: 'lie', match: 'collections.*' });
    expect(await write(salesforce)).toMatchObject({ status: 200, body: [{ success: false }, { success: false }] });
    expect(await salesforce.state('s1')).not.toHaveProperty('contact');
    await salesforce.setFaults({ kind: 'throttle', policyName: 'DAILY' });
    expect(await write(salesforce)).toMatchObject({
      status: 403,
      body: [{ errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'TotalRequests Limit exceeded.' }],
    });
  });

  test('a bad row fails alone; the store survives a restart', async () => {
    const salesforce = await signedIn();
    await salesforce.setFaults({ kind: 'badRow', match: 'collections.upsert' });
    expect((await write(salesforce)).body).toMatchObject([{ success: false }, { success: true }]);
    await salesforce.stop();
    const restarted = await serving('salesforce', { journal: salesforce.file });
    expect(await restarted.state('s2')).toMatchObject({ contact: { LastName: 'Ames' } });
  });
});
