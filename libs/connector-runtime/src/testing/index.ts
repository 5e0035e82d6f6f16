export { connectorContract } from './connector-contract.ts';
export type {
  ConfirmationContract,
  ConnectorContractOptions,
  ContractServer,
  ErasureContract,
  ReadBackContract,
} from './contract-options.ts';
export { newPerson, RuntimeUnderTest } from './runtime-under-test.ts';
export type { RuntimeOptions, TestPerson } from './runtime-under-test.ts';
