import { Env, loadConfigOrExit } from '@entente/config';
import type { ConfigFault } from '@entente/config';
import { idPattern } from '@entente/contracts';
import { IsIn, IsInt, IsObject, IsString, IsUrl, Matches, Max, Min, MinLength } from 'class-validator';
import { clientIds } from '../stack/clients.ts';

const secretsExample = '{"operator":"<secret>","crm-connector":"<secret>"}';
/** Shorter ones are typing mistakes; the issuer is for development, so more is not asked. */
const shortestSecret = 8;

const url = { require_tld: false, require_protocol: true, protocols: ['http', 'https'] };

/** The environment of `entente issuer`. */
export class IssuerConfig {
  @Env('HTTP_PORT', { example: '8090', as: 'integer' })
  @IsInt()
  @Min(0)
  @Max(65_535)
  readonly httpPort: number = 8090;

  @Env('HTTP_HOST', { example: '127.0.0.1' })
  @IsString()
  readonly httpHost: string = '127.0.0.1';

  @Env('NODE_ENV', { example: 'development' })
  @IsIn(['development', 'test'], { message: 'must be development or test: the local issuer is not for production' })
  readonly environment: string = 'production';

  @Env('AUTH_AUDIENCE', { example: 'entente' })
  @IsString()
  readonly audience: string = 'entente';

  @Env('CONTROLLER', { example: 'acme' })
  @Matches(new RegExp(idPattern.controller))
  readonly controller!: string;

  /** Client id → secret, for the clients of the local stack. */
  @Env('CLIENT_SECRETS', { example: secretsExample, as: 'json', secret: true })
  @IsObject()
  readonly clientSecrets!: Readonly<Record<string, string>>;

  /** Person (viewer, operator, admin) → password. Whoever is not named cannot sign in to the console. */
  @Env('PASSWORDS', { example: '{"operator":"<password>"}', as: 'json', secret: true })
  @IsObject()
  readonly passwords: Readonly<Record<string, string>> = {};

  /** This issuer as browsers reach it; by default as they ask for it. */
  @Env('PUBLIC_URL', { example: 'http://127.0.0.1:8090', optional: true })
  @IsUrl(url, { message: 'must be a URL' })
  readonly publicUrl?: string;

  /** The console people sign in to. */
  @Env('CONSOLE_URL', { example: 'http://127.0.0.1:8084', optional: true })
  @IsUrl(url, { message: 'must be a URL' })
  readonly consoleUrl?: string;

  @Env('CONSOLE_SECRET', { example: '<secret>', secret: true, optional: true })
  @MinLength(shortestSecret)
  readonly consoleSecret?: string;

  crossCheck(): readonly ConfigFault[] {
    return Object.entries(this.clientSecrets).flatMap(([id, secret]: [string, unknown]) => {
      const fault = (rule: string): ConfigFault[] => [{ variable: 'CLIENT_SECRETS', rule, example: secretsExample }];
      if (!clientIds.some((known) => known === id))
        return fault(`names an unknown client; known are ${clientIds.join(', ')}`);
      return typeof secret === 'string' && secret.length >= shortestSecret
        ? []
        : fault(`the secret of ${id} must be a text of at least ${shortestSecret} characters`);
    });
  }
}

export const loadIssuerConfig = (): Readonly<IssuerConfig> => loadConfigOrExit(IssuerConfig, process.env);
