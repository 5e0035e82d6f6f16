import { controllerId } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { OpsConfig } from '../config.ts';
import type { Audit } from '../audit/audit.ts';
import { Attempts } from './attempts.ts';
import { cookieNames } from './cookies.ts';
import { Provider } from './provider.ts';
import { Sessions } from './sessions.ts';
import type { SignIn } from './sign-in.controller.ts';

/** How people sign in here, or null where that is not configured. */
export function configuredSignIn(config: OpsConfig, pool: Pool, audit: Audit, log: Logger): SignIn | null {
  const { consoleUrl, oidcDiscoveryUrl, oidcClientId, oidcClientSecret } = config;
  if (!consoleUrl || !oidcDiscoveryUrl || !oidcClientId || !oidcClientSecret) return null;
  const { origin } = new URL(consoleUrl);
  const controller = controllerId(config.controller);
  const cookies = cookieNames(consoleUrl);
  return {
    provider: new Provider({
      discoveryUrl: oidcDiscoveryUrl,
      clientId: oidcClientId,
      clientSecret: oidcClientSecret,
      scope: config.oidcScope,
      redirectUrl: `${origin}/console/signed-in`,
      production: config.isProduction,
    }),
    attempts: new Attempts(oidcClientSecret),
    sessions: new Sessions(pool, controller, cookies, origin),
    cookies,
    rolesClaim: config.oidcRolesClaim,
    roleMapping: config.consoleRoles,
    log,
    audit,
    controller,
  };
}
