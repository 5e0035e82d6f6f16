export { EgressRecords } from '../share/egress-records.ts';
export { connectorContract } from './connector-contract.ts';
export { contractGround } from './contract-ground.ts';
export type { ContractGround } from './contract-ground.ts';
export type {
  ConfirmationContract,
  ConnectorContractOptions,
  ContractServer,
  ErasureContract,
  GroundOptions,
  ReadBackContract,
  StartedPartner,
} from './contract-options.ts';
export { RuntimeUnderTest } from './runtime-under-test.ts';
export type { RuntimeOptions } from './runtime-under-test.ts';
export { newPerson } from './test-people.ts';
export type { TestPerson } from './test-people.ts';
