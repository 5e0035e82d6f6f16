import { Caller, Scopes } from '@entente/http';
import { Controller, Get, Header, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AdminLog } from '../admin-log/admin-log.ts';
import type { AdminPage } from '../admin-log/admin-log.ts';
import { AdminLogBody, AdminLogQuery } from './admin-log.dto.ts';
import { ApiProblems } from './problems.ts';

const defaultPage = 50;

/** What was done to the record rather than by a person (docs/ledger.md). */
@ApiTags('ledger')
@ApiBearerAuth()
@Controller('v1/admin')
export class AdminLogController {
  readonly #log: AdminLog;

  constructor(log: AdminLog) {
    this.#log = log;
  }

  @Get('entries')
  @Scopes('admin')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'readAdminLog',
    summary: 'What was done to the record, newest first',
    description: 'The controller’s own acts, and those on the whole installation.',
  })
  @ApiOkResponse({ type: AdminLogBody })
  @ApiProblems(400)
  entries(
    @Query() { below = Number.MAX_SAFE_INTEGER, limit = defaultPage }: AdminLogQuery,
    @Caller() { controller }: Caller,
  ): Promise<AdminPage> {
    return this.#log.page(controller, { below, limit });
  }
}
