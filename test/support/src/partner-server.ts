import {
  spawnContractServer,
  type ContractServerOptions,
  type PartnerName,
  type SpawnedContractServer,
} from '@entente/contract-servers';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDatabase } from './infrastructure.ts';

export interface StartedPartnerServer {
  readonly server: SpawnedContractServer;
  /** Ends the server and removes its journal. */
  drop(): Promise<void>;
}

/** A contract server as a process of its own, with a journal of its own. */
export async function partnerServer(
  partner: PartnerName,
  options: Omit<ContractServerOptions, 'journal'>,
): Promise<StartedPartnerServer> {
  const directory = await mkdtemp(join(tmpdir(), `${partner}-contract-`));
  const server = await spawnContractServer(partner, { ...options, journal: join(directory, 'journal.jsonl') });
  const drop = async (): Promise<void> => {
    await server.stop();
    await rm(directory, { recursive: true });
  };
  return { server, drop };
}

/** The same, with an empty database for the runtime that talks to it. */
export async function partnerServerAndDatabase(
  partner: PartnerName,
  options: Omit<ContractServerOptions, 'journal'>,
): Promise<StartedPartnerServer & { readonly databaseUrl: string }> {
  const [{ server, drop }, database] = await Promise.all([
    partnerServer(partner, options),
    testDatabase(`${partner}-contract`),
  ]);
  return { server, databaseUrl: database.url, drop: async () => void (await Promise.all([drop(), database.drop()])) };
}
