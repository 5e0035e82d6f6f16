import { idPattern } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Controller, Get, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Audit } from '../audit/audit.ts';
import { Canaries } from '../canary/canaries.ts';
import type { OpsConfig } from '../config.ts';
import { canaries, canaryRun } from '../read/canaries.ts';
import type { CanaryRun } from '../read/views/canaries.ts';
import { Live } from './live.ts';
import { opsConfig, opsPool } from './tokens.ts';

/** Synthetic withdrawals: whether one would be carried out at each recipient, now, and not only when a person says no. */
@ApiTags('canaries')
@Controller('v1/canaries')
export class CanariesController {
  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    @Inject(opsConfig) private readonly config: OpsConfig,
    private readonly running: Canaries,
    private readonly audit: Audit,
    private readonly live: Live,
  ) {}

  @Get()
  @Scopes('ops:read')
  @ApiOperation({ summary: 'each recipient with its newest canary runs; also as Server-Sent Events' })
  async list(
    @Caller() { controller }: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const configured = (recipient: string): boolean => this.running.has(recipient);
    const { canaryEveryMs: everyMs } = this.config;
    const read = () => canaries(this.pool, { controller, everyMs, configured, nowMs: systemClock.now() });
    await this.live.answer({ request, reply, read });
  }

  @Post(':recipient/runs')
  @HttpCode(202)
  @Scopes('ops:operate')
  @ApiOperation({ summary: 'begins a run now; what came of it is at the run’s own address within two minutes' })
  async begin(@Caller() caller: Caller, @Param('recipient') recipient: string): Promise<{ id: string }> {
    if (!new RegExp(idPattern.name).test(recipient) || !this.running.has(recipient))
      throw new Refusal('no-canary', 404, 'No canary is configured for this recipient (CANARIES).', {
        errors: [{ pointer: '/recipient', detail: 'has no canary' }],
      });
    if (caller.controller !== this.config.controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
    const done = await this.audit.begin(caller, 'run-canary', { target: recipient });
    const id = await this.running.begin(recipient, caller.subject);
    await done({ run: id });
    if (id === null)
      throw new Refusal('canary-running', 409, 'A run of this canary is under way; its result is a moment away.');
    return { id };
  }

  @Get('runs/:id')
  @Scopes('ops:read')
  @ApiOperation({ summary: 'one run; its result is null while it lasts' })
  async one(@Caller() { controller }: Caller, @Param('id') id: string): Promise<CanaryRun> {
    const run = new RegExp(idPattern.uuid).test(id) ? await canaryRun(this.pool, controller, id) : null;
    if (run === null) throw new Refusal('unknown-canary-run', 404, 'There is no such run, or it is too old.');
    return run;
  }
}
