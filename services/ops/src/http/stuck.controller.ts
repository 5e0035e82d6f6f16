import { idPattern } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { cursorPart, limitFrom, nameFrom, onlyKnown, placeFrom, textOf } from '../read/cursor.ts';
import { openStates, stuck } from '../read/stuck.ts';
import type { sealedCursors } from '../read/cursors.ts';
import { Live } from './live.ts';
import { opsCursors, opsPool } from './tokens.ts';

const parameters = ['recipient', 'state', 'after', 'limit'] as const;
const place = [cursorPart.time, cursorPart.subject, cursorPart.number, cursorPart.name];

/** What is not enforced, oldest first, with whose fault it is. */
@ApiTags('stuck')
@Scopes('ops:read')
@Controller('v1/stuck')
export class StuckController {
  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    @Inject(opsCursors) private readonly cursorsOf: ReturnType<typeof sealedCursors>,
    private readonly live: Live,
  ) {}

  @Get()
  @ApiOperation({ summary: 'withdrawals that a recipient has not enforced, oldest first; also as Server-Sent Events' })
  async list(
    @Query() query: Readonly<Record<string, unknown>>,
    @Caller() { controller }: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    onlyKnown(query, parameters);
    const state = textOf(query, 'state') ?? null;
    if (state !== null && !openStates.some((known) => known === state))
      throw new Refusal('invalid-query', 400, 'The query does not have the shape this list takes.', {
        errors: [{ pointer: '/state', detail: `is not one of ${openStates.join(', ')}` }],
      });
    const cursors = this.cursorsOf('stuck', controller);
    const question = {
      cursors,
      controller,
      state,
      recipient: nameFrom('recipient', textOf(query, 'recipient'), idPattern.name),
      after: placeFrom(textOf(query, 'after'), cursors, place),
      limit: limitFrom(textOf(query, 'limit')),
    };
    await this.live.answer({
      request,
      reply,
      read: () => stuck(this.pool, { ...question, nowMs: systemClock.now() }),
    });
  }
}
