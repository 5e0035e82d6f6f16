import { Caller, Refusal, Scopes } from '@entente/http';
import type { OpsConfig } from '../config.ts';
import { Controller, Get, Inject, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { SessionView } from '../read/views/session.ts';
import { opsConfig } from './tokens.ts';
import { signInToken, type SignIn } from '../sign-in/sign-in.controller.ts';

/** Who is signed in. */
@ApiTags('session')
@Scopes('ops:read')
@Controller('v1/session')
export class SessionController {
  constructor(
    @Inject(signInToken) private readonly signIn: SignIn | null,
    @Inject(opsConfig) private readonly config: OpsConfig,
  ) {}

  @Get()
  @ApiOperation({ summary: 'the person behind the session cookie' })
  async show(@Caller() caller: Caller, @Req() request: FastifyRequest): Promise<SessionView> {
    const session = await this.signIn?.sessions.of(request);
    if (!session) throw new Refusal('no-session', 404, 'The caller has a token and no session.');
    const { name, role, endsAt } = session;
    return {
      name,
      role,
      controller: caller.controller,
      endsAt: endsAt.toISOString(),
      demo: this.config.demoWorldUrl !== undefined,
    };
  }
}
