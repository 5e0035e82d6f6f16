import { Inject, Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { insufficientScope, invalidToken, tokenRequired } from './auth-refusals.ts';
import { rememberCaller } from './caller.ts';
import type { Caller } from './caller.ts';
import { routeAccess } from './scopes.ts';
import type { RouteAccess } from './scopes.ts';
import { sessionVerifier } from './session-verifier.ts';
import type { SessionVerifier } from './session-verifier.ts';
import { TokenVerifier } from './token-verifier.ts';

const bearer = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** Lets a request through to its handler only with a good token (or session) that holds one of the route's scopes. */
@Injectable()
export class ScopeGuard implements CanActivate {
  readonly #reflector: Reflector;
  readonly #verifier: TokenVerifier;
  readonly #sessions: SessionVerifier | null;

  constructor(
    reflector: Reflector,
    verifier: TokenVerifier,
    @Inject(sessionVerifier) sessions: SessionVerifier | null,
  ) {
    this.#reflector = reflector;
    this.#verifier = verifier;
    this.#sessions = sessions;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const access = this.#reflector.getAllAndOverride<RouteAccess | undefined>(routeAccess, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (access?.kind === 'public') return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const caller = await this.#callerOf(request);
    if (access === undefined || !access.anyOf.some((scope) => caller.scopes.includes(scope)))
      throw insufficientScope(access?.anyOf ?? []);
    rememberCaller(request, caller);
    return true;
  }

  /** A token that is given decides; a session is looked for only without one. */
  async #callerOf(request: FastifyRequest): Promise<Caller> {
    if (request.headers.authorization === undefined && this.#sessions !== null) {
      const caller = await this.#sessions.callerOf(request);
      if (caller !== null) return caller;
    }
    return this.#verifier.verify(bearerToken(request));
  }
}

function bearerToken(request: FastifyRequest): string {
  const { authorization } = request.headers;
  if (authorization === undefined) throw tokenRequired();
  const [, token] = bearer.exec(authorization) ?? [];
  if (token === undefined) throw invalidToken('the Authorization header is not "Bearer <token>"');
  return token;
}
