import { runConnectorService } from '@entente/connector-runtime';
import * as partners from './partners/index.ts';

await runConnectorService({
  name: 'analytics-connector',
  schema: 'analytics_connector',
  audience: 'analytics',
  partners: Object.values(partners),
});
