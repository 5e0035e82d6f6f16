import type { Confirmation, PartnerContext, Revocation, ShareItem } from '@entente/connector-runtime';
import { controlOf, startContractServer, type ContractServerControl } from '@entente/contract-servers';
import { purposeId, recipientId, subjectKey, type PurposeId } from '@entente/contracts';
import { Egress, Gate, type Shareable } from '@entente/gate';
import { createLogger, systemClock } from '@entente/observability';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { amplitude } from './definition.ts';
import { AmplitudeSettings } from './settings.ts';

const [stats, ads] = [purposeId('stats'), purposeId('ads')];
const purposes = [stats, ads];
const key = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');
const log = createLogger({ service: 'test', level: 'error' });
const dayMs = 86_400_000;
/** By the partner's clock, until a new user can be found. */
const ingestionMs = 60_000;

let server: ContractServerControl & { url: string };
let end: () => Promise<void>;
let egresses: Egress[];
/** How far the partner's clock was advanced: the connector lives by the same days. */
let ahead: number;

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'amplitude-'));
  const running = await startContractServer('amplitude', { journal: join(directory, 'journal.jsonl'), ingestionMs });
  server = { ...controlOf(running.controlUrl), url: running.url };
  ahead = 0;
  egresses = [];
  end = async () => {
    for (const egress of egresses) egress.close();
    await running.stop();
    await rm(directory, { recursive: true });
  };
});
afterEach(() => end());

const pass = async (ms: number): Promise<void> => {
  ahead += ms;
  await server.advanceClock(ms);
};

/** A context with a real egress behind a gate that allows. */
function context(more: Partial<AmplitudeSettings> = {}, allowed: readonly PurposeId[] = purposes) {
  const gate = {
    decide: () => ({ kind: 'allow', deadline: systemClock.monotonic() + 2_000, version: 1 }) as const,
    onDenied: () => () => undefined,
  };
  const egress = new Egress({ gate, clock: systemClock, log, network: { development: true } });
  egresses.push(egress);
  const settings = Object.assign(new AmplitudeSettings(), {
    eventsUrl: server.url,
    privacyUrl: server.url,
    profileUrl: server.url,
    apiKey: 'test-api-key',
    secretKey: 'test-secret-key',
    consentProperties: { stats: 'stats_consent', ads: 'ads_consent' },
    requester: 'privacy@example.org',
    ...more,
  });
  const made: PartnerContext<AmplitudeSettings> = {
    recipient: recipientId('amplitude'),
    purposes,
    settings,
    egress,
    call: (request) => egress.call(request),
    allowed: () => [...allowed],
    now: () => systemClock.now() + ahead,
    log,
    signal: new AbortController().signal,
  };
  return made;
}

const shareable = (id: string, event = 'Viewed', purpose = stats): Shareable<ShareItem> =>
  (Object.create(Gate.prototype) as Gate).prepare(
    { subjectKey: key, purpose, recipient: recipientId('amplitude') },
    { subjectKey: key, purpose, identifiers: { 'subject-id': id }, fields: { event }, requestId: `r-${id}` },
  );
const person = (id: string) => ({ subjectKey: key, identifiers: [{ 'subject-id': id }], recipientPurposes: purposes });
const revocation = (id: string, allowed: readonly PurposeId[] = []): Revocation => ({
  ...person(id),
  version: 2,
  allowed,
  stopped: [],
});
const confirmation = (id: string, reference?: string, allowed: readonly PurposeId[] = []): Confirmation => ({
  ...person(id),
  allowed,
  acceptedAt: systemClock.now(),
  ...(reference === undefined ? {} : { reference }),
});
const sizes = async (op: string): Promise<number[]> =>
  (await server.journal()).flatMap((line) =>
    line.t === 'received' && line.op === op ? [line.asks.flatMap(({ identifiers }) => identifiers).length] : [],
  );
const reserved = '[Amplitude] Revenue';

describe('sharing', () => {
  test('one refused event is named, and blocks none of those beside it', async () => {
    const batch = [shareable('u1'), shareable('u2', reserved), shareable('u3'), shareable('anonymous')];
    expect(await amplitude.share(batch, context())).toEqual([
      { kind: 'sent' },
      { kind: 'refused', why: 'invalid-event' },
      { kind: 'sent' },
      { kind: 'refused', why: 'invalid-identifier' },
    ]);
    expect(await sizes('events.upload')).toEqual([4, 2]);
    expect(await server.state('u3')).toMatchObject({
      properties: { stats_consent: 'granted', ads_consent: 'granted' },
    });
  });

  test('a refusal that names none is halved until it stands alone', async () => {
    await server.setFaults({ kind: 'status', code: 413, match: 'events.upload', identifier: 'u3' });
    const batch = ['u1', 'u2', 'u3', 'u4'].map((id) => shareable(id));
    const sent = await amplitude.share(batch, context());
    expect(sent.map(({ kind }) => kind)).toEqual(['sent', 'sent', 'refused', 'sent']);
    expect(sent[2]).toEqual({ kind: 'refused', why: 'too-large' });
    expect(await sizes('events.upload')).toEqual([4, 2, 2, 1, 1]);
  });

  test('who is too fast waits as long as Amplitude asks, the others go', async () => {
    await server.setFaults({ kind: 'throttle', policyName: 'user', match: 'events.upload', times: 1 });
    expect(await amplitude.share([shareable('u1'), shareable('u2')], context())).toEqual([
      { kind: 'retry', why: 'throttled', afterMs: 30_000 },
      { kind: 'sent' },
    ]);
  });

  test('what nothing stands for is not sent', async () => {
    const other = shareable('u1', 'Viewed', purposeId('other'));
    expect(await amplitude.share([other], context())).toEqual([{ kind: 'refused', why: 'purpose-not-mapped' }]);
    expect(await sizes('events.upload')).toEqual([]);
  });
});

describe('revoking', () => {
  test('all are told in one upload; one bad id blocks no other; a purpose nothing stands for parks', async () => {
    const unmapped = { ...revocation('u3', [ads]), recipientPurposes: [...purposes, purposeId('other')] };
    expect(await amplitude.revoke([revocation('u1'), revocation('anonymous'), unmapped], context())).toEqual([
      { kind: 'applied' },
      { kind: 'refused', why: 'invalid-identifier' },
      { kind: 'refused', why: 'purpose-not-mapped' },
    ]);
    expect(await sizes('events.upload')).toEqual([3, 2]);
    expect(await server.state('u3')).toMatchObject({ properties: { stats_consent: 'denied' } });
  });

  test('a 200 that ingested nothing is no acceptance', async () => {
    await server.setFaults({ kind: 'lie', match: 'events.upload' });
    expect(await amplitude.revoke([revocation('u1')], context())).toEqual([{ kind: 'retry', why: 'not-ingested' }]);
  });

  test('DLV-5: a reinstatement says yes again', async () => {
    const here = context();
    await amplitude.revoke([revocation('u1')], here);
    const item = (Object.create(Gate.prototype) as Gate).prepare(
      { subjectKey: key, purpose: stats, recipient: recipientId('amplitude') },
      { subjectKey: key, identifiers: [{ 'subject-id': 'u1' }], purpose: stats },
    );
    const back = { purpose: stats, wholly: true, item };
    expect(await amplitude.reinstate?.([back], context({}, [stats]))).toEqual([{ kind: 'sent' }]);
    expect(await server.state('u1')).toMatchObject({
      properties: { stats_consent: 'granted', ads_consent: 'denied' },
    });
  });
});

describe('what Amplitude holds can be read', () => {
  test('a denial is pending while it may be on its way, failed when it never shows, and confirmed when it does', async () => {
    const here = context();
    await amplitude.share([shareable('u1')], here);
    await pass(ingestionMs);
    await server.setFaults({ kind: 'ignore', match: 'events.upload' });
    expect(await amplitude.revoke([revocation('u1', [ads])], here)).toEqual([{ kind: 'applied' }]);
    const asked = [confirmation('u1', undefined, [ads])];
    expect(await amplitude.confirm?.(asked, here)).toEqual([{ kind: 'pending', afterMs: 900_000 }]);
    await pass(3_600_000);
    expect(await amplitude.confirm?.(asked, here)).toEqual([{ kind: 'failed', why: 'still-served' }]);
    await server.clearFaults();
    await amplitude.revoke([revocation('u1', [ads])], here);
    expect(await amplitude.confirm?.(asked, here)).toEqual([{ kind: 'confirmed' }]);
    expect(await amplitude.readBack?.([person('u1'), person('nobody')], here)).toEqual([
      { kind: 'read', served: [ads] },
      { kind: 'read', served: [] },
    ]);
  });

  test('without the address of the User Profile API nothing is read', async () => {
    const { settings } = context();
    const { profileUrl: _, ...rest } = settings;
    const blind = { ...context(), settings: Object.assign(new AmplitudeSettings(), rest) };
    expect(await amplitude.readBack?.([person('u1')], blind)).toEqual([{ kind: 'refused', why: 'not-readable' }]);
    expect(await amplitude.confirm?.([confirmation('u1')], blind)).toEqual([{ kind: 'refused', why: 'not-readable' }]);
  });
});

describe('deleting', () => {
  const erasure = (id: string) => ({ ...person(id), version: 3 });
  const known = async (...ids: string[]): Promise<void> => {
    await amplitude.share(
      ids.map((id) => shareable(id)),
      context(),
    );
    await pass(ingestionMs);
  };
  const referenceIn = (outcomes: readonly object[] | undefined): string =>
    String((outcomes?.[0] as { reference?: string }).reference);

  test('a job is pending until its day, then confirmed', async () => {
    await known('u1');
    const here = context();
    const accepted = await amplitude.erase?.([erasure('u1')], here);
    const reference = referenceIn(accepted);
    expect(reference).toMatch(/^\d{4}-\d{2}-\d{2}\/\d+$/);
    const asked = [confirmation('u1', reference)];
    expect(await amplitude.confirm?.(asked, here)).toEqual([{ kind: 'pending', afterMs: dayMs }]);
    await pass(10 * dayMs);
    expect(await amplitude.confirm?.(asked, here)).toEqual([{ kind: 'confirmed' }]);
    expect(await server.state('u1')).toMatchObject({ unknown: true });
  });

  test('a deletion that somebody took out of its job is due again', async () => {
    await known('u1');
    const here = context();
    await server.setFaults({ kind: 'failLater', match: 'deletions.create' });
    const reference = referenceIn(await amplitude.erase?.([erasure('u1')], here));
    await pass(10 * dayMs);
    expect(await amplitude.confirm?.([confirmation('u1', reference)], here)).toEqual([
      { kind: 'failed', why: 'deletion-cancelled' },
    ]);
  });

  test('a user who is not known yet is asked for again: what was shared may still be on its way', async () => {
    const here = context();
    await amplitude.share([shareable('u1')], here);
    const waits = [{ kind: 'retry', why: 'user-unknown', afterMs: 900_000 }];
    expect(await amplitude.erase?.([erasure('u1')], here)).toEqual(waits);
    await pass(ingestionMs);
    expect(await amplitude.erase?.([erasure('u1'), erasure('nobody')], here)).toEqual([
      { kind: 'applied', reference: expect.any(String) },
      ...waits,
    ]);
    await server.setFaults({ kind: 'lie', match: 'deletions.create' });
    expect(await amplitude.erase?.([erasure('u1')], here)).toEqual(waits);
  });

  test('more than 100 are asked for in several requests; one that spoils a request blocks none', async () => {
    const ids = Array.from({ length: 101 }, (_, index) => `u${index}`);
    await known(...ids);
    await server.setFaults({ kind: 'status', code: 400, match: 'deletions.create', identifier: 'u100' });
    const outcomes = await amplitude.erase?.(ids.map(erasure), context());
    expect(outcomes?.map(({ kind }) => kind)).toEqual([...ids.slice(1).map(() => 'applied'), 'refused']);
  });

  test('only where the settings want it does a withdrawal of everything delete; the job is its reference', async () => {
    await known('u1', 'u2');
    expect(await amplitude.revoke([revocation('u1')], context())).toEqual([{ kind: 'applied' }]);
    expect(await sizes('deletions.create')).toEqual([]);
    const deleting = context({ deleteWhenNothingStays: true });
    expect(await amplitude.revoke([revocation('u1'), revocation('u2', [ads])], deleting)).toEqual([
      { kind: 'applied', reference: expect.stringMatching(/^\d{4}-/) },
      { kind: 'applied' },
    ]);
    expect(await sizes('deletions.create')).toEqual([1]);
  });
});
