import { idPattern } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsOptional, Length, Matches } from 'class-validator';
import { Audit } from '../audit/audit.ts';
import { ConnectorApi } from '../connectors/connector-api.ts';
import { personView } from '../read/person.ts';
import type { PersonView } from '../read/views/person.ts';
import { opsPool } from './tokens.ts';

export class FindPersonRequest {
  @ApiPropertyOptional({ description: 'The controller’s own id of the person.' })
  @IsOptional()
  @Matches(new RegExp(idPattern.subjectId), { message: 'is not a subject id' })
  subjectId?: string;

  @ApiPropertyOptional({ description: 'The pseudonym, as logs show it.' })
  @IsOptional()
  @Matches(new RegExp(idPattern.subjectKey), { message: 'is not a subject key' })
  subjectKey?: string;

  @ApiProperty({ description: 'Why this person is looked up; kept in the audit log.' })
  @Length(3, 300)
  @Matches(/^\P{Cc}*$/u, { message: 'must be one line of text' })
  reason!: string;
}

/** One person's withdrawals, for who says why. The id travels in a body: addresses are kept in logs and histories. */
@ApiTags('people')
@Scopes('ops:read')
@Controller('v1/people')
export class PeopleController {
  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    private readonly connectors: ConnectorApi,
    private readonly audit: Audit,
  ) {}

  @Post('find')
  @HttpCode(200)
  @ApiOperation({ summary: 'the newest withdrawals of one person; the reason is written down first' })
  async find(@Caller() caller: Caller, @Body() request: FindPersonRequest): Promise<PersonView> {
    const { subjectId, subjectKey: given, reason } = request;
    if ((subjectId === undefined) === (given === undefined))
      throw new Refusal('invalid-request', 400, 'A person is named in one way.', {
        errors: [{ pointer: '', detail: 'needs either subjectId or subjectKey' }],
      });
    const subjectKey = given ?? (await this.connectors.subjectKey(subjectId!));
    await this.audit.begin(caller, 'find-person', { target: subjectKey, reason });
    return personView(this.pool, { controller: caller.controller, subjectKey, nowMs: systemClock.now() });
  }
}
