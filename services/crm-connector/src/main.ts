import { runConnectorService } from '@entente/connector-runtime';
import * as partners from './partners/index.ts';

await runConnectorService({
  name: 'crm-connector',
  schema: 'crm_connector',
  audience: 'crm',
  partners: Object.values(partners),
});
