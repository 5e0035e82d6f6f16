import type { IssuerClient } from '../issuer/issuer.ts';

/** The machines of the local stack. Each gets the scopes it needs and no more. */
const scopesOf = {
  operator: ['consent:read', 'consent:grant', 'consent:withdraw', 'share:write', 'ops:read', 'audit:read', 'admin'],
  'preference-centre': ['consent:read', 'consent:grant', 'consent:withdraw', 'ops:read'],
  'platform-team': ['share:write'],
  'crm-connector': ['consent:read', 'share:write'],
  'analytics-connector': ['consent:read', 'share:write'],
  'ad-partner-connector': ['consent:read', 'share:write'],
  ops: ['consent:read'],
} as const satisfies Record<string, IssuerClient['scopes']>;

export type ClientId = keyof typeof scopesOf;

export const clientIds = Object.keys(scopesOf) as readonly ClientId[];

/** The clients for which `clientSecret` has a secret; the others cannot ask for tokens. */
export const stackClients = (
  secrets: { readonly clientSecret: (clientId: ClientId) => string | undefined },
  controller: string,
): IssuerClient[] =>
  clientIds.flatMap((clientId) => {
    const secret = secrets.clientSecret(clientId);
    return secret === undefined ? [] : [{ clientId, scopes: scopesOf[clientId], controller, secret }];
  });
