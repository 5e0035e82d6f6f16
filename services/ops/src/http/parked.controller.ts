import { idPattern } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Body, Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsBoolean, IsOptional, Length, Matches } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Audit } from '../audit/audit.ts';
import { ConnectorApi } from '../connectors/connector-api.ts';
import { parkedAt, parkedGroups } from '../read/parked.ts';
import type { ReplayView } from '../read/views/parked.ts';
import { Live } from './live.ts';
import { opsPool } from './tokens.ts';

/** What a connector takes in one call; there is no way to ask for more. */
const atMost = 1_000;

export class ReplayRequest {
  @ApiProperty()
  @Matches(new RegExp(idPattern.name), { message: 'does not have the form of a recipient id' })
  recipient!: string;

  @ApiPropertyOptional({ description: 'Only what was parked for this reason.' })
  @IsOptional()
  @Length(1, 200)
  reason?: string;

  @ApiPropertyOptional({ default: true, description: 'Only say what would be tried again.' })
  @IsBoolean()
  dryRun: boolean = true;
}

/**
 * Parked work: what a person must look at, and trying it again. The connector keeps one row per person and recipient and
 * sends that person's newest state, so a replay drops what was superseded and cannot reorder.
 */
@ApiTags('parked')
@Controller('v1/parked')
export class ParkedController {
  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    private readonly connectors: ConnectorApi,
    private readonly audit: Audit,
    private readonly live: Live,
  ) {}

  @Get()
  @Scopes('ops:read')
  @ApiOperation({ summary: 'parked work by recipient and cause, oldest first; also as Server-Sent Events' })
  async list(
    @Caller() { controller }: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const replayable = (recipient: string): boolean => this.connectors.knows(recipient);
    const read = () => parkedGroups(this.pool, { controller, nowMs: systemClock.now(), replayable });
    await this.live.answer({ request, reply, read });
  }

  @Post('replay')
  @HttpCode(200)
  @Scopes('ops:operate')
  @ApiOperation({
    summary: 'tries parked work of one recipient again, at most 1,000 people a call; by default a dry run',
  })
  async replay(@Caller() caller: Caller, @Body() request: ReplayRequest): Promise<ReplayView> {
    const { recipient, dryRun } = request;
    const reason = request.reason ?? null;
    const { known, superseded, canaries, reasons } = await parkedAt(this.pool, {
      controller: caller.controller,
      recipient,
      reason,
      atMost,
    });
    if (!known)
      throw new Refusal('unknown-recipient', 404, 'No catalogue has named such a recipient.', {
        errors: [{ pointer: '/recipient', detail: 'is not known' }],
      });
    const done = await this.audit.begin(caller, dryRun ? 'replay-dry-run' : 'replay', {
      target: recipient,
      detail: { parkedFor: reason },
    });
    const people = await this.connectors.replay(recipient, reason, dryRun).catch(async (error: unknown) => {
      await done({ failed: true });
      throw error;
    });
    await done({ people, superseded });
    // A misspelt reason would look like work that is done.
    if (reason !== null && people === 0 && reasons.length > 0 && !reasons.includes(reason))
      throw new Refusal(
        'unknown-reason',
        404,
        `Nothing there is parked for “${reason}”, but for: ${reasons.join(', ')}.`,
        {
          errors: [{ pointer: '/reason', detail: `is none of ${reasons.join(', ')}` }],
        },
      );
    return { recipient, reason, dryRun, people, canaries: Math.min(canaries, people), superseded, atMost };
  }
}
