import { connectorContract } from '@entente/connector-runtime/testing';
import { spawnContractServer } from '@entente/contract-servers';
import { purposeId } from '@entente/contracts';
import { testDatabase } from '@entente/test-support';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
}

connectorContract({
  definition: salesforce,
  async start() {
    const directory = await mkdtemp(join(tmpdir(), 'salesforce-contract-'));
    const server = await spawnContractServer('salesforce', {
      journal: join(directory, 'journal.jsonl'),
      clientId: '3MVG9.acme',
      clientSecret,
      properties: ['Contact.Ad_Sharing_Opt_Out__c', 'Contact.Plan__c:text'],
    });
    const database = await testDatabase('salesforce-contract');
    const drop = async () => {
      await database.drop();
      await rm(directory, { recursive: true });
    };
    return { server, databaseUrl: database.url, drop };
  },
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
});
