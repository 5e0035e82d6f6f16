import { parseArgs } from 'node:util';
import { type PartnerName, partnerNames } from './partner.ts';
import { parseRate } from './rate-window.ts';
import { type ContractServerOptions, startContractServer } from './start.ts';

const usage = `node main.js ${partnerNames.join('|')} --journal FILE [--host H] [--port N] [--control-port N] [--token T] [--rate REQUESTS/MS]
  [--fsync] [--seed N] [--watch-stdin]
  hubspot  [--subscription ID]... [--property NAME]... [--enterprise]
  segment  [--write-key K] [--regulation-running-after-ms N] [--regulation-finished-after-ms N]
  klaviyo  [--job-finished-after-ms N]
  unomi    [--scope NAME]... [--peer-key K] [--api-key K] [--credentials USER:PASSWORD] [--merged-profile ID=MASTER]...
  meta     [--audience ID]... [--flagged-audience ID]... [--account ID] [--app-secret S] [--pixel ID] [--max-payload-bytes N] [--processing-ms N]
  google-data-manager  [--audience ID]... [--account ID] [--service-account-email E] [--service-account-public-key BASE64] [--processing-ms N]
  x-ads    [--audience ID]... [--account ID] [--consumer-key K] [--consumer-secret S] [--access-token T] [--access-token-secret S]
           [--processing-ms N]
  salesforce  [--client-id I] [--client-secret S] [--username U] [--certificate-key BASE64] [--session-ms N] [--property OBJECT.FIELD[:text]]...
  amplitude   [--api-key K] [--secret-key S] [--ingestion-ms N] [--deletion-after-ms N]
  ga4      [--stream MEASUREMENT_ID:API_SECRET:PROPERTY_ID]... [--service-account-email E] [--service-account-public-key BASE64]
           [--processing-ms N]
  mixpanel [--token T] [--project ID] [--gdpr-token T] [--credentials USER:SECRET] [--processing-ms N]
  posthog  [--token T] [--project ID] [--api-key K] [--ingested-after-ms N] [--processing-ms N]
  linkedin [--audience ID]... [--api-version YYYYMM]... [--refresh-token T] [--client-id I] [--client-secret S] [--processing-ms N]
  tiktok   [--audience ID]... [--account ID] [--row-limit N] [--processing-ms N]
  iab-data-deletion  [--vendor DOMAIN] [--requester DOMAIN] [--requester-public-key BASE64] [--body-form json|jwt] [--identifier-format F]
           [--vendor-script] [--processing-ms N]`;

const one = { type: 'string' } as const;
const many = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean' } as const;

function read(args: readonly string[]): { partner: PartnerName; watchStdin: boolean; options: ContractServerOptions } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      journal: one,
      host: one,
      port: one,
      'control-port': one,
      token: one,
      rate: one,
      seed: one,
      fsync: flag,
      'watch-stdin': flag,
      subscription: many,
      property: many,
      enterprise: flag,
      'write-key': one,
      'regulation-running-after-ms': one,
      'regulation-finished-after-ms': one,
      audience: many,
      'flagged-audience': many,
      account: one,
      'app-secret': one,
      pixel: one,
      'max-payload-bytes': one,
      'processing-ms': one,
      'service-account-email': one,
      'service-account-public-key': one,
      'consumer-key': one,
      'consumer-secret': one,
      'access-token': one,
      'access-token-secret': one,
      scope: many,
      'peer-key': one,
      'api-key': one,
      credentials: one,
      'merged-profile': many,
      'job-finished-after-ms': one,
      'client-id': one,
      'client-secret': one,
      username: one,
      'certificate-key': one,
      'session-ms': one,
      'secret-key': one,
      'ingestion-ms': one,
      'deletion-after-ms': one,
      stream: many,
      project: one,
      'gdpr-token': one,
      'ingested-after-ms': one,
      'api-version': many,
      'refresh-token': one,
      'row-limit': one,
      vendor: one,
      requester: one,
      'requester-public-key': one,
      'body-form': one,
      'identifier-format': one,
      'vendor-script': flag,
    },
  });
  const partner = partnerNames.find((name) => name === positionals[0]);
  if (partner === undefined || values.journal === undefined) throw new Error('a partner and --journal are required');
  const number = (name: string, value: string | undefined): number | undefined => {
    if (value === undefined) return undefined;
    if (!/^\d+$/.test(value)) throw new Error(`--${name} must be a whole number, got ${value}`);
    return Number(value);
  };
  const given = {
    journal: values.journal,
    host: values.host,
    port: number('port', values.port),
    controlPort: number('control-port', values['control-port']),
    token: values.token,
    rate: values.rate === undefined ? undefined : parseRate(values.rate),
    seed: number('seed', values.seed),
    fsync: values.fsync,
    subscriptionIds: values.subscription?.map((id) => number('subscription', id) ?? 0),
    properties: values.property,
    enterprise: values.enterprise,
    writeKey: values['write-key'],
    regulationRunningAfterMs: number('regulation-running-after-ms', values['regulation-running-after-ms']),
    regulationFinishedAfterMs: number('regulation-finished-after-ms', values['regulation-finished-after-ms']),
    audiences: values.audience,
    flaggedAudiences: values['flagged-audience'],
    account: values.account,
    appSecret: values['app-secret'],
    pixel: values.pixel,
    maxPayloadBytes: number('max-payload-bytes', values['max-payload-bytes']),
    processingMs: number('processing-ms', values['processing-ms']),
    serviceAccountEmail: values['service-account-email'],
    serviceAccountPublicKey: values['service-account-public-key'],
    consumerKey: values['consumer-key'],
    consumerSecret: values['consumer-secret'],
    accessToken: values['access-token'],
    accessTokenSecret: values['access-token-secret'],
    scopes: values.scope,
    peerKey: values['peer-key'],
    apiKey: values['api-key'],
    credentials: values.credentials,
    mergedProfiles: values['merged-profile'],
    jobFinishedAfterMs: number('job-finished-after-ms', values['job-finished-after-ms']),
    clientId: values['client-id'],
    clientSecret: values['client-secret'],
    username: values.username,
    certificateKey: values['certificate-key'],
    sessionMs: number('session-ms', values['session-ms']),
    secretKey: values['secret-key'],
    ingestionMs: number('ingestion-ms', values['ingestion-ms']),
    deletionAfterMs: number('deletion-after-ms', values['deletion-after-ms']),
    streams: values.stream,
    project: values.project,
    gdprToken: values['gdpr-token'],
    ingestedAfterMs: number('ingested-after-ms', values['ingested-after-ms']),
    versions: values['api-version'],
    refreshToken: values['refresh-token'],
    rowLimit: number('row-limit', values['row-limit']),
    vendor: values.vendor,
    requester: values.requester,
    requesterPublicKey: values['requester-public-key'],
    bodyForm: values['body-form'],
    identifierFormat: values['identifier-format'],
    vendorScript: values['vendor-script'],
  };
  return {
    partner,
    watchStdin: values['watch-stdin'] ?? false,
    options: { journal: given.journal, ...present(given) },
  };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the entries that are undefined, so that an absent flag leaves the default alone. */
const present = <T extends object>(given: T): Present<T> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Present<T>;

async function main(): Promise<void> {
  const { partner, watchStdin, options } = read(process.argv.slice(2));
  const server = await startContractServer(partner, options);
  const stop = (): void => {
    server.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  // The one who started this process holds the other end: when it is gone, however it went, nobody needs this server.
  if (watchStdin) process.stdin.resume().once('end', stop);
  const { url, controlUrl } = server;
  process.stdout.write(`${JSON.stringify({ partner, url, controlUrl, pid: process.pid })}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
  process.exit(1);
});
