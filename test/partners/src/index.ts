export { type ContractServerControl, controlOf } from './client.ts';
export type { Fault } from './faults.ts';
export type { JournalEntry, JournalLine } from './journal.ts';
export { type Deed, type PartnerName, partnerNames } from './partner.ts';
export type { Rate } from './rate-window.ts';
export type { RunningServer } from './server.ts';
export { type SpawnedContractServer, spawnContractServer } from './spawn.ts';
export { type ContractServerOptions, startContractServer } from './start.ts';
