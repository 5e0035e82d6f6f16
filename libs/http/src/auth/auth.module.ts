import { systemClock } from '@entente/observability';
import type { Clock } from '@entente/observability';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ScopeGuard } from './scope-guard.ts';
import { sessionVerifier } from './session-verifier.ts';
import type { SessionVerifier } from './session-verifier.ts';
import { TokenVerifier } from './token-verifier.ts';
import type { TrustedIssuer } from './token-verifier.ts';

/** Issuer of the local stack, whose key lies on the developer's disk. */
export const LOCAL_ISSUER = 'urn:entente:local-issuer';

export interface AuthOptions {
  readonly issuers: readonly TrustedIssuer[];
  /** What tokens for this service name as their audience. */
  readonly audience: string;
  /** Development and tests only. */
  readonly allowLocalIssuer: boolean;
  /** Refuses the local issuer and keys fetched without TLS, whatever else is set. */
  readonly production?: boolean;
  readonly clock?: Clock;
  /** For services whose callers may be people signed in with a cookie. */
  readonly sessions?: SessionVerifier | undefined;
}

/** Bearer tokens on every route that is not `@Public()`. */
@Module({})
export class AuthModule {
  /** @throws Error when the issuers may not be trusted here; before the app is made. */
  static forRoot({
    issuers,
    audience,
    allowLocalIssuer,
    production = false,
    clock,
    sessions,
  }: AuthOptions): DynamicModule {
    checkIssuers(issuers, allowLocalIssuer && !production, production);
    const verifier = new TokenVerifier(issuers, audience, clock ?? systemClock);
    return {
      module: AuthModule,
      global: true,
      providers: [
        { provide: TokenVerifier, useValue: verifier },
        { provide: sessionVerifier, useValue: sessions ?? null },
        { provide: APP_GUARD, useClass: ScopeGuard },
      ],
      exports: [TokenVerifier],
    };
  }
}

function checkIssuers(issuers: readonly TrustedIssuer[], allowLocal: boolean, production: boolean): void {
  if (issuers.length === 0) throw new Error('no token issuer is configured: nobody could call this service');
  if (new Set(issuers.map(({ issuer }) => issuer)).size < issuers.length)
    throw new Error('a token issuer is configured twice');
  for (const trusted of issuers) {
    if (trusted.issuer === LOCAL_ISSUER && !allowLocal)
      throw new Error(`the issuer ${LOCAL_ISSUER} is for development; production refuses it`);
    if (production && 'jwksUrl' in trusted && new URL(trusted.jwksUrl).protocol !== 'https:')
      throw new Error(`the keys of ${trusted.issuer} must be fetched over https in production`);
  }
}
