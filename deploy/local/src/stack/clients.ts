import type { IssuerClient } from '../issuer/issuer.ts';
import type { StackSecrets } from './secrets.ts';

/** The machines of the local stack. Each gets the scopes it needs and no more. */
const scopesOf = {
  operator: ['consent:read', 'consent:grant', 'consent:withdraw', 'share:write', 'ops:read', 'admin'],
  'preference-centre': ['consent:read', 'consent:grant', 'consent:withdraw', 'ops:read'],
  'platform-team': ['share:write'],
  'crm-connector': ['consent:read', 'share:write'],
  'analytics-connector': ['consent:read', 'share:write'],
  'ad-partner-connector': ['consent:read', 'share:write'],
  ops: ['consent:read'],
} as const satisfies Record<string, IssuerClient['scopes']>;

export type ClientId = keyof typeof scopesOf;

export const stackClients = (secrets: StackSecrets, controller: string): IssuerClient[] =>
  Object.entries(scopesOf).map(([clientId, scopes]) => ({
    clientId,
    scopes,
    controller,
    secret: secrets.clientSecret(clientId),
  }));
