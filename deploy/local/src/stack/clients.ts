import type { WebClient } from '../issuer/code-flow.ts';
import type { IssuerPerson } from '../issuer/issuer-person.ts';
import type { IssuerClient } from '../issuer/issuer.ts';

/** The machines of the local stack. Each gets the scopes it needs and no more. */
const scopesOf = {
  operator: [
    ...(['consent:read', 'consent:grant', 'consent:withdraw', 'consent:import', 'share:write'] as const),
    ...(['ops:read', 'ops:operate', 'audit:read', 'admin'] as const),
  ],
  'preference-centre': ['consent:read', 'consent:grant', 'consent:withdraw', 'ops:read'],
  'platform-team': ['share:write'],
  'crm-connector': ['consent:read', 'share:write'],
  'analytics-connector': ['consent:read', 'share:write'],
  'ad-partner-connector': ['consent:read', 'share:write'],
  ops: ['consent:read', 'ops:read', 'ops:operate'],
  decisions: ['consent:read'],
  canary: ['consent:grant', 'consent:withdraw', 'share:write'],
  // Of another controller on the same consent service, where one is wanted.
  neighbour: ['consent:read', 'consent:grant', 'consent:withdraw', 'admin'],
} as const satisfies Record<string, IssuerClient['scopes']>;

export type ClientId = keyof typeof scopesOf;

export const clientIds = Object.keys(scopesOf) as readonly ClientId[];

/** The clients for which `clientSecret` has a secret; the others cannot ask for tokens. */
export const stackClients = (
  secrets: { readonly clientSecret: (clientId: ClientId) => string | undefined },
  controller: string,
  neighbour?: string,
): IssuerClient[] =>
  clientIds.flatMap((clientId) => {
    const secret = secrets.clientSecret(clientId);
    const of = clientId === 'neighbour' ? neighbour : controller;
    return secret === undefined || of === undefined
      ? []
      : [{ clientId, scopes: scopesOf[clientId], controller: of, secret }];
  });

/** The console's own client id at the local issuer. */
export const consoleClientId = 'console';

/** People who may sign in to the console of a local stack; one for each role. */
const demoPeople = [
  { id: 'viewer', name: 'Vera Viewer', roles: ['viewer'] },
  { id: 'operator', name: 'Otto Operator', roles: ['operator'] },
  { id: 'admin', name: 'Ada Admin', roles: ['admin'] },
] as const;

export const stackPeople = (password: (id: string) => string | undefined): IssuerPerson[] =>
  demoPeople.flatMap((person) => {
    const given = password(person.id);
    return given === undefined ? [] : [{ ...person, password: given }];
  });

export const consoleClient = (secret: string, consoleUrl: string): WebClient => ({
  clientId: consoleClientId,
  secret,
  redirectUrl: `${consoleUrl}/console/signed-in`,
});
