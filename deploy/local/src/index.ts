export { InfrastructureError, javaCommand, startInfrastructure } from './infrastructure/index.ts';
export type {
  Broker,
  DatabaseServer,
  Infrastructure,
  InfrastructureOptions,
  KafkaInfo,
  PostgresInfo,
} from './infrastructure/index.ts';
export { EntenteClient, ProblemAnswer, Unreachable } from './client/entente-client.ts';
export type { Propagation, RecordedChange, ShareResult, ShareToSend } from './client/entente-client.ts';
export { importPeople } from './client/import-people.ts';
export { countLeaks, receivedBy } from './demo/leak-count.ts';
export type { AnsweredWithdrawal, LeakCount, PartnerJournal } from './demo/leak-count.ts';
export { distribution } from './demo/distribution.ts';
export { makePeople, peopleCsv } from './demo/people.ts';
export type { Person } from './demo/people.ts';
export { ShareStream, shareOnce } from './demo/share-stream.ts';
export type { StreamTarget } from './demo/share-stream.ts';
export { startIssuer } from './issuer/issuer.ts';
export { startStandby } from './infrastructure/standby.ts';
export type { Standby } from './infrastructure/standby.ts';
export { freePorts } from './infrastructure/ports.ts';
export { Supervisor } from './infrastructure/supervisor.ts';
export { ServiceProcess } from './stack/service-process.ts';
export type { MorePartner } from './stack/more-partner.ts';
export { startStack, stackRecipients } from './stack/stack.ts';
export type { PartnerName, ServiceName, Stack, StackOptions } from './stack/stack.ts';
export { consentEnvironment } from './stack/service-environments.ts';
export { applyTopics } from './stack/topics.ts';
export { starterCatalogue, starterNotice } from './stack/starter-catalogue.ts';
export { repositoryFile } from './stack/paths.ts';
