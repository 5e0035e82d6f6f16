import { idPattern } from '@entente/contracts';
import { Caller, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Audit } from '../audit/audit.ts';
import { cursorPart, limitFrom, momentFrom, nameFrom, onlyKnown, placeFrom, textOf } from '../read/cursor.ts';
import { leaks } from '../read/leaks.ts';
import type { sealedCursors } from '../read/cursors.ts';
import { Live } from './live.ts';
import { opsCursors, opsPool } from './tokens.ts';

const parameters = ['recipient', 'since', 'after', 'limit'] as const;
const place = [cursorPart.time, cursorPart.subject, cursorPart.name, cursorPart.names];

/** What left after a withdrawal, whoever found it; looking at it is written down. */
@ApiTags('leaks')
@Scopes('ops:read')
@Controller('v1/leaks')
export class LeaksController {
  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    @Inject(opsCursors) private readonly cursorsOf: ReturnType<typeof sealedCursors>,
    private readonly live: Live,
    private readonly audit: Audit,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'leaks with their evidence, newest first, and how many sends were looked at; also as Server-Sent Events',
  })
  async list(
    @Query() query: Readonly<Record<string, unknown>>,
    @Caller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    onlyKnown(query, parameters);
    const cursors = this.cursorsOf('leaks', caller.controller);
    const question = {
      cursors,
      controller: caller.controller,
      recipient: nameFrom('recipient', textOf(query, 'recipient'), idPattern.name),
      since: momentFrom('since', textOf(query, 'since')),
      after: placeFrom(textOf(query, 'after'), cursors, place),
      limit: limitFrom(textOf(query, 'limit')),
      namesPeople: caller.scopes.includes('ops:operate'),
    };
    await this.audit.view(caller, 'view-leaks', { target: question.recipient ?? 'all' });
    await this.live.answer({
      request,
      reply,
      read: () => leaks(this.pool, { ...question, nowMs: systemClock.now() }),
    });
  }
}
