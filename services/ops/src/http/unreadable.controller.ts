import { topics } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Body, Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsIn, IsInt, IsISO8601, Length, Matches, Max, Min } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Audit } from '../audit/audit.ts';
import type { OpsConfig } from '../config.ts';
import { dismissUnreadable, unreadableList } from '../read/unreadable.ts';
import { Live } from './live.ts';
import { opsConfig, opsPool } from './tokens.ts';

const consentLogs = [topics.revocations, topics.changes];
const maxPartition = 2 ** 31 - 1;

export class DismissRequest {
  @ApiProperty({ enum: consentLogs })
  @IsIn(consentLogs)
  topic!: string;

  @ApiProperty({ minimum: 0 })
  @IsInt()
  @Min(0)
  @Max(maxPartition)
  partition!: number;

  @ApiProperty({ description: 'As listed: a whole number as text.' })
  @Matches(/^(0|[1-9][0-9]{0,17})$/, { message: 'is not a whole number as text' })
  offset!: string;

  @ApiProperty({ description: 'When it was read, as listed: another record may stand there by now.' })
  @IsISO8601({ strict: true })
  at!: string;

  @ApiProperty({ description: 'What the record was and what was done about it; kept in the audit log.' })
  @Length(3, 500)
  reason!: string;
}

/**
 * Records of the consent logs that nobody could read. Each may hide a withdrawal, so nothing is called enforced everywhere until a
 * person has found out what it was.
 */
@ApiTags('unreadable')
@Controller('v1/unreadable-records')
export class UnreadableController {
  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    private readonly audit: Audit,
    @Inject(opsConfig) private readonly config: OpsConfig,
    private readonly live: Live,
  ) {}

  @Get()
  @Scopes('ops:read')
  @ApiOperation({
    summary: 'those nobody has looked into, oldest first, at most a hundred; also as Server-Sent Events',
  })
  async list(@Caller() caller: Caller, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    this.own(caller);
    await this.live.answer({ request, reply, read: () => unreadableList(this.pool, systemClock.now()) });
  }

  @Post('dismiss')
  @HttpCode(200)
  @Scopes('ops:operate')
  @ApiOperation({
    summary: 'a person has found out what it was: it no longer keeps everything from being called enforced',
  })
  async dismiss(@Caller() caller: Caller, @Body() request: DismissRequest): Promise<{ dismissed: true }> {
    this.own(caller);
    const { topic, partition, offset, at, reason } = request;
    const target = `${topic}/${partition}/${offset}`;
    const done = await this.audit.begin(caller, 'dismiss-record', { target, reason });
    const dismissed = await dismissUnreadable(this.pool, { topic, partition, offset, at });
    await done({ dismissed });
    if (!dismissed) throw new Refusal('unknown-record', 404, 'No such record waits to be looked into.');
    return { dismissed };
  }

  /** Of a record nobody could read nobody knows whose it is: whoever this service works for answers for all of them. */
  private own({ controller }: Caller): void {
    if (controller !== this.config.controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
  }
}
