import type { Confirmation, PartnerContext, Revocation, ShareItem } from '@entente/connector-runtime';
import { controlOf, startContractServer, type ContractServerControl } from '@entente/contract-servers';
import { purposeId, recipientId, subjectKey, type PurposeId } from '@entente/contracts';
import { Egress, Gate, type Shareable } from '@entente/gate';
import { createLogger, systemClock } from '@entente/observability';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { salesforce } from './definition.ts';
import { SalesforceSettings } from './settings.ts';

const [news, ads] = [purposeId('news'), purposeId('ads')];
const purposes = [news, ads];
const field = 'Consent_Subject_Id__c';
const key = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const log = createLogger({ service: 'test', level: 'error' });

let server: ContractServerControl & { url: string };
let end: () => Promise<void>;
let egresses: Egress[];
let settings: SalesforceSettings;

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'salesforce-'));
  const running = await startContractServer('salesforce', {
    journal: join(directory, 'journal.jsonl'),
    certificateKey: keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    sessionMs: 60_000,
    properties: ['Contact.Ads_Out__c'],
  });
  server = { ...controlOf(running.controlUrl), url: running.url };
  settings = Object.assign(new SalesforceSettings(), {
    instanceUrl: running.url,
    clientId: '3MVG9.test',
    clientSecret: 'test-secret',
    externalIdField: field,
    optOutFields: { news: 'HasOptedOutOfEmail', ads: 'Ads_Out__c' },
    individualIdField: field,
    consentIdField: field,
    contactPoints: { news: 'Email' },
  });
  egresses = [];
  end = async () => {
    for (const egress of egresses) egress.close();
    await running.stop();
    await rm(directory, { recursive: true });
  };
});
afterEach(() => end());

/** A context with a real egress behind a gate that allows. */
function context(more: Partial<SalesforceSettings> = {}, allowed: readonly PurposeId[] = purposes) {
  const gate = {
    decide: () => ({ kind: 'allow', deadline: systemClock.monotonic() + 2_000, version: 1 }) as const,
    onDenied: () => () => undefined,
  };
  const egress = new Egress({ gate, clock: systemClock, log, network: { development: true } });
  egresses.push(egress);
  const made: PartnerContext<SalesforceSettings> = {
    recipient: recipientId('salesforce'),
    purposes,
    settings: Object.assign(new SalesforceSettings(), settings, more),
    egress,
    call: (request) => egress.call(request),
    allowed: () => [...allowed],
    now: () => systemClock.now(),
    log,
    signal: new AbortController().signal,
  };
  return made;
}

const shareable = (id: string, fields: Record<string, unknown> = {}, purpose = news): Shareable<ShareItem> =>
  (Object.create(Gate.prototype) as Gate).prepare(
    { subjectKey: key, purpose, recipient: recipientId('salesforce') },
    {
      subjectKey: key,
      purpose,
      identifiers: { 'subject-id': id },
      fields: { LastName: 'Ames', ...fields },
      requestId: `r-${id}`,
    },
  );
const person = (id: string) => ({ subjectKey: key, identifiers: [{ 'subject-id': id }], recipientPurposes: purposes });
const revocation = (id: string, allowed: readonly PurposeId[] = []): Revocation => ({
  ...person(id),
  version: 2,
  allowed,
  stopped: [],
});
const confirmation = (id: string, allowed: readonly PurposeId[] = []): Confirmation => ({
  ...person(id),
  allowed,
  acceptedAt: systemClock.now(),
});
const requests = async (op: string): Promise<readonly (readonly string[])[]> =>
  (await server.journal()).flatMap((line) =>
    line.t === 'received' && line.op === op ? [line.asks.flatMap(({ identifiers }) => identifiers)] : [],
  );
/** The sizes of the requests about one object. */
const sizes = async (object: string): Promise<number[]> =>
  (await server.journal()).flatMap((line) =>
    line.t === 'received' && line.asks.some(({ scope }) => scope.startsWith(`${object}/`)) ? [line.asks.length] : [],
  );

describe('sharing', () => {
  test('two purposes of one person in one request are one record, and each has its outcome', async () => {
    const sent = await salesforce.share([shareable('s1'), shareable('s1', {}, ads), shareable('s2')], context());
    expect(sent).toEqual([{ kind: 'sent' }, { kind: 'sent' }, { kind: 'sent' }]);
    expect(await sizes('Contact')).toEqual([2]);
    expect(await server.state('s1')).toMatchObject({ contact: {}, consents: [{ PrivacyConsentStatus: 'OptIn' }] });
  });

  test('a record Salesforce cannot read refuses the request: it is halved until that one stands alone', async () => {
    const batch = ['s1', 's2', 's3', 's4'].map((id) => shareable(id, id === 's3' ? { Nothing__c: 1 } : {}));
    const sent = await salesforce.share(batch, context());
    expect(sent.map(({ kind }) => kind)).toEqual(['sent', 'sent', 'refused', 'sent']);
    expect(sent[2]).toEqual({ kind: 'refused', why: 'field-missing' });
    expect(await sizes('Contact')).toEqual([4, 2, 2, 1, 1]);
  });

  test('what nothing stands for is not sent; a person without a name cannot be made', async () => {
    const other = shareable('s1', {}, purposeId('other'));
    const nameless = shareable('s2', { LastName: undefined });
    expect(await salesforce.share([other, nameless], context())).toEqual([
      { kind: 'refused', why: 'purpose-not-mapped' },
      { kind: 'refused', why: 'required-field-missing' },
    ]);
  });
});

describe('revoking', () => {
  test('one record that fails blocks no other; what was locked is tried again', async () => {
    const here = context();
    await salesforce.share([shareable('s1'), shareable('s2')], here);
    await server.setFaults({ kind: 'badRow', match: 'collections.upsert', identifier: 's1' });
    expect(await salesforce.revoke([revocation('s1'), revocation('s2')], here)).toEqual([
      { kind: 'refused', why: 'validation-rule' },
      { kind: 'applied' },
    ]);
    await server.setFaults({ kind: 'lie', match: 'collections.upsert' });
    expect(await salesforce.revoke([revocation('s1')], here)).toEqual([{ kind: 'retry', why: 'partner-busy' }]);
  });

  test('"nothing to do" only for a user who sees every record; nobody is made by a withdrawal', async () => {
    const unknown = [revocation('nobody')];
    expect(await salesforce.revoke(unknown, context())).toEqual([{ kind: 'refused', why: 'record-not-found' }]);
    expect(await salesforce.revoke(unknown, context({ viewsAllRecords: true }))).toEqual([
      { kind: 'nothing-to-do', why: 'unknown-record' },
    ]);
    expect(await server.state('nobody')).not.toHaveProperty('contact');
  });

  test('a look-up that fails inside its 200 is no word about anybody', async () => {
    await server.setFaults({ kind: 'lie', match: 'batch' });
    expect(await salesforce.revoke([revocation('nobody')], context({ viewsAllRecords: true }))).toEqual([
      { kind: 'retry', why: 'partner-busy' },
    ]);
  });

  test('a purpose nothing stands for parks after all else was revoked', async () => {
    const here = context();
    await salesforce.share([shareable('s1')], here);
    const partly = { ...revocation('s1'), recipientPurposes: [...purposes, purposeId('other')] };
    expect(await salesforce.revoke([partly], here)).toEqual([{ kind: 'refused', why: 'purpose-not-mapped' }]);
    expect(await server.state('s1')).toMatchObject({ contact: { HasOptedOutOfEmail: true, Ads_Out__c: true } });
  });
});

describe('what Salesforce holds can be read', () => {
  test('confirmed once it shows; a success that changed nothing is found out', async () => {
    const here = context();
    await salesforce.share([shareable('s1'), shareable('s2')], here);
    await server.setFaults({ kind: 'ignore', match: 'collections.upsert', identifier: 's2' });
    const outcomes = [
      ...(await salesforce.revoke([revocation('s1', [ads])], here)),
      ...(await salesforce.revoke([revocation('s2', [ads])], here)),
    ];
    expect(outcomes.map(({ kind }) => kind)).toEqual(['applied', 'applied']);
    expect(await salesforce.confirm?.([confirmation('s1', [ads]), confirmation('s2', [ads])], here)).toEqual([
      { kind: 'confirmed' },
      { kind: 'failed', why: 'still-served' },
    ]);
    expect(await salesforce.readBack?.([person('s1'), person('s2')], here)).toEqual([
      { kind: 'read', served: [ads] },
      { kind: 'read', served: [news, ads] },
    ]);
  });

  test('nobody found is an answer only of a user who sees every record', async () => {
    expect(await salesforce.readBack?.([person('nobody')], context())).toEqual([
      { kind: 'unclear', why: 'record-not-found' },
    ]);
    const all = context({ viewsAllRecords: true });
    expect(await salesforce.readBack?.([person('nobody')], all)).toEqual([{ kind: 'read', served: [] }]);
    expect(await salesforce.confirm?.([confirmation('nobody')], all)).toEqual([{ kind: 'confirmed' }]);
  });

  test('DLV-5: a reinstatement clears what the withdrawal ticked', async () => {
    const here = context();
    await salesforce.share([shareable('s1')], here);
    await salesforce.revoke([revocation('s1')], here);
    const item = (Object.create(Gate.prototype) as Gate).prepare(
      { subjectKey: key, purpose: news, recipient: recipientId('salesforce') },
      { subjectKey: key, identifiers: [{ 'subject-id': 's1' }], purpose: news },
    );
    const back = { purpose: news, wholly: true, item };
    expect(await salesforce.reinstate?.([back], context({}, [news]))).toEqual([{ kind: 'sent' }]);
    expect(await server.state('s1')).toMatchObject({ contact: { HasOptedOutOfEmail: false, Ads_Out__c: true } });
  });

  test('an erasure deletes every record of the person, and the next one finds none', async () => {
    const here = context({ viewsAllRecords: true });
    await salesforce.share([shareable('s1'), shareable('s2')], here);
    const erasure = { ...person('s1'), version: 3 };
    expect(await salesforce.erase?.([erasure], here)).toEqual([{ kind: 'applied' }]);
    expect(await server.state('s1')).toEqual({ id: 's1', consents: [] });
    expect(await server.state('s2')).toHaveProperty('contact');
    expect(await salesforce.erase?.([erasure], here)).toEqual([{ kind: 'nothing-to-do', why: 'unknown-record' }]);
    expect(await salesforce.erase?.([erasure], context())).toEqual([{ kind: 'refused', why: 'record-not-found' }]);
  });

  test('a record that may not be deleted parks the erasure', async () => {
    const here = context();
    await salesforce.share([shareable('s1')], here);
    await server.setFaults({ kind: 'badRow', match: 'collections.delete' });
    expect(await salesforce.erase?.([{ ...person('s1'), version: 3 }], here)).toEqual([
      { kind: 'refused', why: 'delete-refused' },
    ]);
  });
});

describe('sessions', () => {
  test('one that ended is renewed within the attempt, once', async () => {
    const here = context();
    await salesforce.share([shareable('s1')], here);
    await server.advanceClock(60_000);
    expect(await salesforce.revoke([revocation('s1')], here)).toEqual([{ kind: 'applied' }]);
    expect(await requests('oauth.token')).toHaveLength(2);
  });

  test('several at once ask for one session', async () => {
    const here = context();
    await Promise.all(['s1', 's2', 's3'].map((id) => salesforce.share([shareable(id)], here)));
    expect(await requests('oauth.token')).toHaveLength(1);
  });

  test('by JWT, signed with the key of the connected app', async () => {
    const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const byJwt = context({ privateKey, username: 'entente@example.org' });
    delete byJwt.settings.clientSecret;
    expect(await salesforce.share([shareable('s1')], byJwt)).toEqual([{ kind: 'sent' }]);
    const stranger = context({ privateKey, username: 'somebody@example.org' });
    delete stranger.settings.clientSecret;
    expect(await salesforce.share([shareable('s1')], stranger)).toEqual([{ kind: 'refused', why: 'authentication' }]);
  });

  test('a token endpoint that is away is waited for', async () => {
    await server.setFaults({ kind: 'status', code: 503, match: 'oauth.token' });
    expect(await salesforce.revoke([revocation('s1')], context())).toEqual([{ kind: 'retry', why: 'status-503' }]);
    await server.setFaults({ kind: 'loseAnswer', match: 'oauth.token' });
    expect(await salesforce.revoke([revocation('s1')], context())).toEqual([
      { kind: 'retry', why: 'token-unavailable' },
    ]);
  });
});
