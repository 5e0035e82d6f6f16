export { connectorContract } from './connector-contract.ts';
export type { ConnectorContractOptions, ContractServer } from './connector-contract.ts';
export { newPerson, RuntimeUnderTest } from './runtime-under-test.ts';
export type { RuntimeOptions, TestPerson } from './runtime-under-test.ts';
