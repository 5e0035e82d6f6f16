import { controlOf, startContractServer, type RunningServer } from '@entente/contract-servers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sdk from 'facebook-nodejs-business-sdk';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import https from 'node:https';
import { connect as connectPlain, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { graphCertificate } from '../../testing/graph-certificate.ts';

const [audience, other, pixel, account] = ['23840000000000001', '23840000000000002', '123', '77'];
const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Meta's own client, unchanged, takes the contract server for Meta. It knows one host, graph.facebook.com by HTTPS: this
 * process looks that up on the loopback and trusts the test's certificate for it, nothing else.
 */
describe('facebook-nodejs-business-sdk against the contract server', () => {
  const realAgent = https.globalAgent;
  let server: RunningServer;
  let tls: Server;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'business-sdk-'));
    server = await startContractServer('meta', {
      ...{ journal: join(directory, 'journal.jsonl'), token: 'sdk-token' },
      ...{ audiences: [audience, other], pixel, account },
    });
    const port = Number(new URL(server.url).port);
    tls = createServer(graphCertificate, (secure: TLSSocket) => {
      const plain = connectPlain(port, '127.0.0.1');
      for (const each of [secure, plain]) each.on('error', () => [secure, plain].forEach((end) => end.destroy()));
      secure.pipe(plain).pipe(secure);
    });
    tls.listen(0, '127.0.0.1');
    await once(tls, 'listening');
    https.globalAgent = new LoopbackAgent((tls.address() as AddressInfo).port);
    sdk.FacebookAdsApi.init('sdk-token', 'en_US', false);
  });

  afterAll(async () => {
    https.globalAgent.destroy();
    https.globalAgent = realAgent;
    tls.close();
    await server.stop();
    await rm(directory, { recursive: true });
  });

  const stateOf = async (email: string): Promise<unknown> => controlOf(server.controlUrl).state(hash(email));
  const payload = (...emails: string[]) => ({ payload: { schema: 'EMAIL_SHA256', data: emails.map(hash) } });

  test('adds to a custom audience and removes from it', async () => {
    const list = new sdk.CustomAudience(audience);
    await list.createUser([], payload('ann@b.de', 'bob@b.de'));
    expect(await stateOf('ann@b.de')).toMatchObject({ audiences: [audience] });
    expect(await list.deleteUsers(payload('ann@b.de'))).toMatchObject({ num_received: 1, num_invalid_entries: 0 });
    expect(await stateOf('ann@b.de')).toMatchObject({ audiences: [] });
    expect(await stateOf('bob@b.de')).toMatchObject({ audiences: [audience] });
  });

  test('opts out of every audience of the account', async () => {
    await new sdk.CustomAudience(other).createUser([], payload('cy@b.de'));
    await new sdk.AdAccount(`act_${account}`).deleteUsersOfAnyAudience(payload('cy@b.de'));
    expect(await stateOf('cy@b.de')).toMatchObject({ audiences: [] });
  });

  test('sends an event with Limited Data Use, hashed by itself as we hash', async () => {
    const event = new sdk.ServerEvent()
      .setEventName('Purchase')
      .setEventTime(Math.floor(Date.now() / 1_000))
      .setEventId('e-1')
      .setActionSource('website')
      .setUserData(new sdk.UserData().setEmail(' Dee@B.de '))
      .setDataProcessingOptions(['LDU'])
      .setDataProcessingOptionsCountry(0)
      .setDataProcessingOptionsState(0);
    expect(await new sdk.EventRequest('sdk-token', pixel, [event]).execute()).toMatchObject({ events_received: 1 });
    expect(await stateOf('dee@b.de')).toMatchObject({ events: [{ id: 'e-1', name: 'Purchase', limited: true }] });
  });

  test('is told of a refusal in Meta’s own words', async () => {
    const refused = new sdk.CustomAudience('1').deleteUsers(payload('ann@b.de'));
    await expect(refused).rejects.toMatchObject({ status: 400, response: { code: 100, error_subcode: 33 } });
  });
});

/** Every host is the one on the loopback; the certificate must still be right for the name that was asked for. */
class LoopbackAgent extends https.Agent {
  readonly #port: number;

  constructor(port: number) {
    super({ keepAlive: false });
    this.#port = port;
  }

  override createConnection(options: https.RequestOptions): TLSSocket {
    const servername = options.hostname ?? options.host ?? '';
    return connect({ host: '127.0.0.1', port: this.#port, servername, ca: graphCertificate.cert });
  }
}
