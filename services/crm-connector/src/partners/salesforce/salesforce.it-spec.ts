import { connectorContract, type ContractServer } from '@entente/connector-runtime/testing';
import { purposeId } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { salesforce } from './definition.ts';

const newsletter = purposeId('newsletter');
const adSharing = purposeId('ad-sharing');
const checkboxes: Readonly<Record<string, string>> = {
  newsletter: 'HasOptedOutOfEmail',
  'ad-sharing': 'Ad_Sharing_Opt_Out__c',
};
const clientSecret = 'salesforce-secret';

interface SalesforceState {
  readonly contact?: Readonly<Record<string, unknown>>;
  readonly individual?: object;
  readonly consents: readonly object[];
}

connectorContract({
  definition: salesforce,
  start: () =>
    partnerServerAndDatabase('salesforce', {
      clientId: '3MVG9.acme',
      clientSecret,
      properties: ['Contact.Ad_Sharing_Opt_Out__c', 'Contact.Plan__c:text'],
    }),
  settings: (url) => ({
    instanceUrl: url,
    clientId: '3MVG9.acme',
    clientSecret,
    externalIdField: 'Consent_Subject_Id__c',
    optOutFields: checkboxes,
    individualIdField: 'Consent_Subject_Id__c',
    individualFullOptOutFields: ['HasOptedOutProcessing', 'HasOptedOutSolicit'],
    consentIdField: 'Consent_Subject_Id__c',
    contactPoints: { newsletter: 'Email' },
    fieldNames: { plan: 'Plan__c' },
    // Without it nobody found is no answer: an erased person could not be told from a hidden one.
    viewsAllRecords: true,
  }),
  purposes: [newsletter, adSharing],
  fields: { LastName: 'Planted', plan: 'free' },
  identifiers: (name) => ({ 'subject-id': name }),
  async holds(server, person, purpose) {
    const { contact } = (await server.state(person.identifiers['subject-id'] ?? '')) as SalesforceState;
    return contact !== undefined && contact[checkboxes[purpose] ?? ''] !== true;
  },
  operations: { share: 'collections.upsert', revoke: 'collections.*' },
  // The token of every session begins with the organisation's id.
  secrets: [clientSecret, '00D000000000001!'],
  tellsBadRows: true,
  renewsTokens: true,
  // Every write is synchronous.
  confirmation: { finish: () => Promise.resolve(), operation: 'batch' },
  readBack: {
    // A sales person ticks a box.
    serve: (server, person, purpose) =>
      writeByHand(server, person.identifiers['subject-id'] ?? '', { [checkboxes[purpose] ?? '']: false }),
    operation: 'batch',
  },
  erasure: {
    async knows(server, person) {
      const state = (await server.state(person.identifiers['subject-id'] ?? '')) as SalesforceState;
      return state.contact !== undefined || state.individual !== undefined || state.consents.length > 0;
    },
    operation: 'collections.delete',
  },
});

async function writeByHand({ url }: ContractServer, id: string, fields: object): Promise<void> {
  const grant = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: '3MVG9.acme',
    client_secret: clientSecret,
  });
  const session = (await (await fetch(`${url}/services/oauth2/token`, { method: 'POST', body: grant })).json()) as {
    readonly access_token: string;
  };
  const record = { ...fields, attributes: { type: 'Contact' }, Consent_Subject_Id__c: id };
  const answer = await fetch(`${url}/services/data/v66.0/composite/sobjects/Contact/Consent_Subject_Id__c`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${session.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ allOrNone: false, records: [record] }),
  });
  if (!answer.ok) throw new Error(`writing by hand was answered ${answer.status}`);
}
