import { timingSafeEqual } from 'node:crypto';
import type { ControllerId } from '@entente/contracts';
import { Public, Refusal } from '@entente/http';
import type { Logger } from '@entente/observability';
import { Controller, Get, HttpCode, Inject, Post, Query, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Audit } from '../audit/audit.ts';
import { attemptLifeS, type Attempts } from './attempts.ts';
import { cookieOf, setCookie, type CookieNames } from './cookies.ts';
import { SignInFailed, type Provider } from './provider.ts';
import { roleFrom } from './roles.ts';
import type { Sessions } from './sessions.ts';

export interface SignIn {
  readonly provider: Provider;
  readonly attempts: Attempts;
  readonly sessions: Sessions;
  readonly cookies: CookieNames;
  readonly rolesClaim: string;
  readonly roleMapping: Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly audit: Audit;
  readonly controller: ControllerId;
}

/** Null where signing in is not configured. */
export const signInToken = Symbol('sign-in');

/** Longest of the browser's share of a session; the table ends it earlier when it is idle. */
const cookieLifeS = 8 * 3_600;

/** A person's way in and out: to the OpenID Connect provider and back, into a session of ours. */
@ApiExcludeController()
@Public()
@Controller('console')
export class SignInController {
  constructor(@Inject(signInToken) private readonly signIn: SignIn | null) {}

  @Get('sign-in')
  async begin(@Query('to') to: string | string[] | undefined, @Res() reply: FastifyReply): Promise<void> {
    const { provider, attempts, cookies } = this.configured();
    const attempt = attempts.begin([to].flat()[0]);
    const url = await provider.authorizationUrl(attempt).catch((error: unknown) => this.fail(error));
    const value = await attempts.seal(attempt);
    await reply
      .header('set-cookie', setCookie(cookies, { name: cookies.signIn, value, sameSite: 'Lax', maxAgeS: attemptLifeS }))
      .redirect(url, 302);
  }

  @Get('signed-in')
  async finish(
    @Query() query: Readonly<Record<string, unknown>>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { provider, attempts, cookies, sessions, rolesClaim, roleMapping, audit, controller } = this.configured();
    const sealed = cookieOf(request, cookies.signIn);
    const attempt = sealed === null ? null : await attempts.open(sealed);
    const { code, state } = query;
    if (!attempt || typeof state !== 'string' || !same(state, attempt.state))
      throw new Refusal(
        'sign-in-over',
        400,
        'This sign-in was not begun in this browser, or took too long. Try again.',
      );
    if (typeof code !== 'string' || code === '' || code.length > 2_048)
      throw new Refusal('sign-in-refused', 403, 'The sign-in provider did not let this person in.');
    const claims = await provider.claims(code, attempt).catch((error: unknown) => this.fail(error));
    const role = roleFrom(claims[rolesClaim], roleMapping);
    if (role === null) throw new Refusal('no-role', 403, 'This person has no role in the console.');
    const subject = String(claims.sub).slice(0, 200);
    const name = typeof claims['name'] === 'string' ? claims['name'].slice(0, 200) : subject;
    await audit.begin({ controller, subject, clientId: 'console' }, 'sign-in', { target: subject, detail: { role } });
    const value = await sessions.begin({ subject, name, role });
    await reply
      .header('set-cookie', [
        setCookie(cookies, { name: cookies.session, value, sameSite: 'Strict', maxAgeS: cookieLifeS }),
        setCookie(cookies, { name: cookies.signIn, value: '', sameSite: 'Lax', maxAgeS: 0 }),
      ])
      .redirect(attempt.to, 302);
  }

  @Post('sign-out')
  @HttpCode(204)
  async end(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { sessions, cookies, audit } = this.configured();
    const session = await sessions.end(request);
    if (session) await audit.begin({ ...session, clientId: 'console' }, 'sign-out', { target: session.subject });
    await reply
      .header('set-cookie', setCookie(cookies, { name: cookies.session, value: '', sameSite: 'Strict', maxAgeS: 0 }))
      .send();
  }

  private configured(): SignIn {
    if (this.signIn) return this.signIn;
    throw new Refusal('sign-in-not-configured', 404, 'Signing in is not configured (CONSOLE_URL and OIDC_…).');
  }

  private fail(error: unknown): never {
    if (!(error instanceof SignInFailed)) throw error;
    this.signIn?.log.warn({ err: error }, 'sign-in failed');
    throw new Refusal('sign-in-failed', 502, `Signing in failed: ${error.message}.`);
  }
}

const same = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
