import type { Command } from 'commander';
import { loadIssuerConfig } from '../issuer/config.ts';
import { startIssuer } from '../issuer/issuer.ts';
import { consoleClient, stackClients, stackPeople, type ClientId } from '../stack/clients.ts';
import { say } from './output.ts';

/** `entente issuer`: the development stack's token issuer as a process of its own, configured by its environment. */
export function registerIssuer(program: Command): void {
  program
    .command('issuer')
    .description('runs the local token issuer for development (docs/configuration.md); production refuses its tokens')
    .action(async () => {
      const config = loadIssuerConfig();
      const secrets = new Map(Object.entries(config.clientSecrets));
      const issuer = await startIssuer({
        clients: stackClients({ clientSecret: (id: ClientId) => secrets.get(id) }, config.controller),
        audience: config.audience,
        port: config.httpPort,
        host: config.httpHost,
        people: stackPeople((id) => config.passwords[id]),
        ...(config.publicUrl ? { publicUrl: config.publicUrl } : {}),
        ...(config.consoleUrl && config.consoleSecret
          ? { webClient: consoleClient(config.consoleSecret, config.consoleUrl) }
          : {}),
      });
      say(`local issuer: tokens at ${issuer.tokenUrl}, keys at ${issuer.jwksUrl}`);
      await new Promise<void>((resolve) => {
        process.once('SIGINT', () => resolve());
        process.once('SIGTERM', () => resolve());
      });
      await issuer.stop();
    });
}
