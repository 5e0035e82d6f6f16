import { SetMetadata } from '@nestjs/common';
import type { Scope } from '@entente/contracts';
import { insufficientScope } from './auth-refusals.ts';
import type { Caller } from './caller.ts';

export const routeAccess = Symbol('entente:route-access');

/** Who may call a route. A route without either decorator stops the app from starting (default deny). */
export type RouteAccess = { readonly kind: 'public' } | { readonly kind: 'scopes'; readonly anyOf: readonly Scope[] };

/** The caller's token must hold one of these scopes. Where the body decides which, add `requireScope` in the handler. */
export const Scopes = (...anyOf: [Scope, ...Scope[]]) =>
  SetMetadata<symbol, RouteAccess>(routeAccess, { kind: 'scopes', anyOf });

/** Anyone may call this route, without a token. */
export const Public = () => SetMetadata<symbol, RouteAccess>(routeAccess, { kind: 'public' });

/** For rules that only the request's content decides, e.g. granting needs `consent:grant`. */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!caller.scopes.includes(scope)) throw insufficientScope([scope]);
}
