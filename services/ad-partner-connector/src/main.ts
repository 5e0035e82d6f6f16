import { runConnectorService } from '@entente/connector-runtime';
import * as partners from './partners/index.ts';

await runConnectorService({
  name: 'ad-partner-connector',
  schema: 'ad_partner_connector',
  audience: 'ad-partner',
  partners: Object.values(partners),
});
