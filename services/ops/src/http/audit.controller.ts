import { Caller, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Audit } from '../audit/audit.ts';
import { cursorPart, limitFrom, onlyKnown, placeFrom, textOf } from '../read/cursor.ts';
import type { sealedCursors } from '../read/cursors.ts';
import type { AuditLine } from '../read/views/audit.ts';
import type { ListPage } from '../read/views/words.ts';
import { opsCursors } from './tokens.ts';

/** Who looked at whom and who did what; looking at it is written down too. */
@ApiTags('audit')
@Scopes('admin')
@Controller('v1/audit')
export class AuditController {
  constructor(
    private readonly audit: Audit,
    @Inject(opsCursors) private readonly cursorsOf: ReturnType<typeof sealedCursors>,
  ) {}

  @Get()
  @ApiOperation({ summary: 'views of people and actions, newest first' })
  async list(
    @Query() query: Readonly<Record<string, unknown>>,
    @Caller() caller: Caller,
  ): Promise<ListPage<AuditLine>> {
    onlyKnown(query, ['after', 'limit']);
    const cursors = this.cursorsOf('audit', caller.controller);
    const after = placeFrom(textOf(query, 'after'), cursors, [cursorPart.number]);
    const limit = limitFrom(textOf(query, 'limit'));
    await this.audit.view(caller, 'view-audit', { target: 'audit' });
    return this.audit.list({ controller: caller.controller, after, cursors, limit, nowMs: systemClock.now() });
  }
}
