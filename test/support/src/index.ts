export {
  infrastructureDescription,
  kafkaBootstrap,
  ownBroker,
  ownInfrastructure,
  testDatabase,
} from './infrastructure.ts';
export type { OwnBroker, TestDatabase } from './infrastructure.ts';
export { partnerServer, partnerServerAndDatabase } from './partner-server.ts';
export type { StartedPartnerServer } from './partner-server.ts';
export { alertsAsShipped, chromiumPath } from './config.ts';
export { waitFor } from './wait-for.ts';
export type { WaitOptions } from './wait-for.ts';
export { localhostCertificate } from './localhost-certificate.ts';
