import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto';
import type { MorePartner } from '../stack/more-partner.ts';

/** Credentials below are known to the contract servers alone, which exist for tests and demos. */
const pageView = { event: 'Page Viewed', page: '/demo' } as const;
const contact = { lastname: 'Demo', plan: 'free' } as const;
const property = 'entente_consent';

const spki = ({ publicKey }: KeyPairKeyObjectResult): string =>
  publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
const pem = ({ privateKey }: KeyPairKeyObjectResult): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** The partners beside HubSpot, Segment and Meta Custom Audiences: each of the connectors' other definitions once. */
export const otherPartners = (): readonly MorePartner[] => [...crm(), ...analytics(), ...audiences(), ...others()];

function crm(): MorePartner[] {
  const common = { connector: 'crm-connector', kind: 'crm', purpose: 'email-marketing', fields: contact } as const;
  return [
    {
      ...{ ...common, recipient: 'klaviyo-crm', name: 'Klaviyo', partner: 'klaviyo', identifiers: ['email'] },
      server: { kind: 'klaviyo', args: ['--token', 'pk_demo'] },
      settings: (url) => ({
        ...{ baseUrl: url, apiKey: 'pk_demo', emailPurposes: ['email-marketing'] },
        consentProperties: { 'email-marketing': property },
      }),
    },
    {
      ...{ ...common, recipient: 'salesforce-crm', name: 'Salesforce', partner: 'salesforce' },
      identifiers: ['subject-id'],
      server: {
        kind: 'salesforce',
        args: ['--client-id', '3MVG9.demo', '--client-secret', 'demo-secret', '--property', 'Contact.Plan__c:text'],
      },
      settings: (url) => ({
        ...{ instanceUrl: url, clientId: '3MVG9.demo', clientSecret: 'demo-secret', viewsAllRecords: true },
        externalIdField: 'Consent_Subject_Id__c',
        optOutFields: { 'email-marketing': 'HasOptedOutOfEmail' },
        fieldNames: { plan: 'Plan__c', lastname: 'LastName' },
      }),
    },
    {
      ...{ ...common, recipient: 'unomi-cdp', name: 'Apache Unomi', partner: 'unomi', identifiers: ['subject-id'] },
      server: {
        kind: 'unomi',
        args: ['--scope', 'brand', '--peer-key', 'demo-peer', '--api-key', 'demo-key', '--credentials', 'karaf:demo'],
      },
      settings: (url) => ({
        ...{ baseUrl: url, scope: 'brand', peerKey: 'demo-peer', apiKey: 'demo-key', credentials: 'karaf:demo' },
        consents: { 'email-marketing': 'newsletter' },
      }),
    },
  ];
}

function analytics(): MorePartner[] {
  const common = {
    ...({
      connector: 'analytics-connector',
      kind: 'analytics',
      purpose: 'product-analytics',
      fields: pageView,
    } as const),
    identifiers: ['subject-id'],
  } as const;
  const consentProperties = { 'product-analytics': property };
  const mixpanelToken = 'abcdef0123456789abcdef0123456789';
  const google = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const email = 'entente@demo.iam.gserviceaccount.com';
  return [
    {
      ...{ ...common, recipient: 'amplitude-analytics', name: 'Amplitude', partner: 'amplitude' },
      server: { kind: 'amplitude', args: ['--api-key', 'demo-api-key', '--secret-key', 'demo-secret-key'] },
      settings: (url) => ({
        ...{ eventsUrl: url, privacyUrl: url, profileUrl: url, requester: 'privacy@example.org', consentProperties },
        ...{ apiKey: 'demo-api-key', secretKey: 'demo-secret-key' },
      }),
    },
    {
      ...{ ...common, recipient: 'ga4-analytics', name: 'Google Analytics 4', partner: 'ga4' },
      // GA4 drops, in silence, an event whose name has a space in it.
      fields: { ...pageView, event: 'page_viewed' },
      server: {
        kind: 'ga4',
        args: [
          ...['--stream', 'G-DEMO:demo-api-secret:111111', '--service-account-email', email],
          ...['--service-account-public-key', spki(google)],
        ],
      },
      settings: (url) => ({
        ...{ collectUrl: url, userDeletionUrl: url, adminUrl: url, tokenUrl: `${url}/token` },
        ...{ clientEmail: email, privateKey: pem(google) },
        properties: {
          'product-analytics': { propertyId: '111111', measurementId: 'G-DEMO', apiSecret: 'demo-api-secret' },
        },
      }),
    },
    {
      ...{ ...common, recipient: 'mixpanel-analytics', name: 'Mixpanel', partner: 'mixpanel' },
      server: {
        kind: 'mixpanel',
        args: ['--token', mixpanelToken, '--gdpr-token', 'demo-gdpr-token', '--credentials', 'reader:demo-secret'],
      },
      settings: (url) => ({
        ...{ ingestionUrl: url, appUrl: url, projectToken: mixpanelToken, gdprToken: 'demo-gdpr-token' },
        ...{ serviceAccount: { username: 'reader', secret: 'demo-secret', projectId: '1234567' }, consentProperties },
      }),
    },
    {
      ...{ ...common, recipient: 'posthog-analytics', name: 'PostHog', partner: 'posthog' },
      server: { kind: 'posthog', args: ['--token', 'phc_demo', '--api-key', 'phx_demo', '--project', '4242'] },
      settings: (url) => ({
        ...{ captureUrl: url, apiUrl: url, projectToken: 'phc_demo', personalApiKey: 'phx_demo', projectId: '4242' },
        consentProperties,
      }),
    },
  ];
}

const ads = { connector: 'ad-partner-connector', kind: 'ad-partner', purpose: 'personalised-ads' } as const;
const audienceFields = { segment: 'customers' } as const;

function audiences(): MorePartner[] {
  const common = { ...ads, fields: audienceFields } as const;
  const google = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const email = 'entente@demo.iam.gserviceaccount.com';
  const xKeys = {
    ...{ consumerKey: 'demo-consumer-key', consumerSecret: 'demo-consumer-secret' },
    ...{ accessToken: 'demo-access-token', accessTokenSecret: 'demo-token-secret' },
  };
  const list = (id: string): Readonly<Record<string, string>> => ({ 'personalised-ads': id });
  return [
    {
      ...{ ...common, recipient: 'google-ads', name: 'Google (Data Manager)', partner: 'google-data-manager' },
      identifiers: ['google-email'],
      server: {
        kind: 'google-data-manager',
        args: ['--service-account-email', email, '--service-account-public-key', spki(google), '--processing-ms', '0'],
      },
      settings: (url) => ({
        ...{ baseUrl: url, tokenUrl: `${url}/token`, clientEmail: email, privateKey: pem(google) },
        ...{ accountId: '1234567890', audiences: list('7090784486'), customerMatchTermsAccepted: true },
      }),
    },
    {
      ...{ ...common, recipient: 'x-ads', name: 'X Ads', partner: 'x-ads', identifiers: ['x-email'] },
      server: {
        kind: 'x-ads',
        args: [
          ...['--consumer-key', xKeys.consumerKey, '--consumer-secret', xKeys.consumerSecret],
          ...['--access-token', xKeys.accessToken, '--access-token-secret', xKeys.accessTokenSecret],
        ],
      },
      settings: (url) => ({ baseUrl: url, ...xKeys, accountId: '18ce54d4x5t', audiences: list('1nmth') }),
    },
    {
      ...{ ...common, recipient: 'linkedin-ads', name: 'LinkedIn', partner: 'linkedin-matched-audiences' },
      identifiers: ['linkedin-email'],
      server: { kind: 'linkedin', args: ['--token', 'demo-linkedin-token'] },
      settings: (url) => ({ baseUrl: url, accessToken: 'demo-linkedin-token', audiences: list('10804') }),
    },
    {
      ...{ ...common, recipient: 'tiktok-ads', name: 'TikTok', partner: 'tiktok-audiences' },
      identifiers: ['tiktok-email'],
      server: { kind: 'tiktok', args: ['--token', 'demo-tiktok-token', '--account', '7000000000000000000'] },
      settings: (url) => ({
        ...{ baseUrl: url, token: 'demo-tiktok-token', advertiserIds: ['7000000000000000000'] },
        audiences: list('167290896'),
      }),
    },
  ];
}

function others(): MorePartner[] {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return [
    {
      ...{ ...ads, recipient: 'meta-events', name: 'Meta Conversions API', partner: 'meta-conversions' },
      ...{ identifiers: ['meta-email'], fields: { ...audienceFields, event: 'Purchase' } },
      server: { kind: 'meta', args: ['--token', 'demo-meta-token', '--pixel', '123'] },
      // No `optOutAccount`: the demo shows what it means that there is no call to take an event back.
      settings: (url) => ({ baseUrl: url, token: 'demo-meta-token', pixelId: '123' }),
    },
    {
      ...{ ...ads, recipient: 'iab-vendor', name: 'IAB deletion vendor', partner: 'iab-data-deletion' },
      ...{ identifiers: ['iab-email'], preloaded: true, fields: null },
      server: {
        kind: 'iab-data-deletion',
        args: ['--vendor', 'vendor.example', '--requester', 'shop.example', '--requester-public-key', spki(keys)],
      },
      settings: (url) => ({
        ...{ domain: 'vendor.example', issuer: 'shop.example', privateKey: pem(keys), keyId: 'k1' },
        discoveryUrl: `${url}/dsrdelete.json`,
      }),
    },
  ];
}
