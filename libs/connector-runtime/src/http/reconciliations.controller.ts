import { idPattern, recipientId, type ControllerId } from '@entente/contracts';
import { ApiProblems, Caller, Refusal, Scopes } from '@entente/http';
import { Body, Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsBoolean, IsOptional, Matches } from 'class-validator';
import { ReconciliationSchedule } from '../compare/reconciliation-schedule.ts';
import { ReconciliationReports } from '../store/reconciliation-reports.ts';
import { controllerToken } from './tokens.ts';

export class ReconciliationDto {
  @ApiProperty()
  @Matches(new RegExp(idPattern.name))
  recipient!: string;

  @ApiProperty({ required: false, description: 'Only says what it would revoke again.' })
  @IsOptional()
  @IsBoolean()
  dryRun?: boolean;
}

export class BegunReconciliationDto {
  @ApiProperty()
  id!: string;
}

export class FindingDto {
  @ApiProperty({ enum: ['extra', 'stale', 'missing', 'unreadable'] })
  kind!: string;

  @ApiProperty()
  subjectKey!: string;

  @ApiProperty({ type: [String] })
  purposes!: readonly string[];

  @ApiProperty({ required: false })
  reason?: string;
}

export class ReconciliationReportDto {
  @ApiProperty()
  id!: string;

  @ApiProperty()
  recipient!: string;

  @ApiProperty({ enum: ['schedule', 'operator'] })
  askedBy!: string;

  @ApiProperty({ description: 'It repaired nothing; `repaired` counts what would have been.' })
  dryRun!: boolean;

  @ApiProperty({ enum: ['running', 'done', 'failed'] })
  state!: string;

  @ApiProperty({ format: 'date-time' })
  startedAt!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  endedAt!: string | null;

  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  counts!: object;

  @ApiProperty({ type: [FindingDto], description: 'The first 200 of each kind; counts are whole.' })
  findings!: readonly FindingDto[];
}

export class ReadableRecipientsDto {
  @ApiProperty({ type: [String] })
  recipients!: readonly string[];
}

/** Our state against the partner's own store. */
@ApiTags('operations')
@ApiBearerAuth()
@Controller('v1/reconciliations')
export class ReconciliationsController {
  readonly #schedule: ReconciliationSchedule;
  readonly #reports: ReconciliationReports;
  readonly #controller: ControllerId;

  constructor(
    @Inject(ReconciliationSchedule) schedule: ReconciliationSchedule,
    @Inject(ReconciliationReports) reports: ReconciliationReports,
    @Inject(controllerToken) controller: ControllerId,
  ) {
    this.#schedule = schedule;
    this.#reports = reports;
    this.#controller = controller;
  }

  @Post()
  @HttpCode(202)
  // It repairs towards denial alone (ADR 13), so an operator may ask for it.
  @Scopes('admin', 'ops:operate')
  @ApiOperation({ operationId: 'beginReconciliation', summary: 'Compare one recipient with what is allowed' })
  @ApiAcceptedResponse({ type: BegunReconciliationDto, description: 'It runs; its report grows page by page.' })
  @ApiProblems(400, 404, 409, 413, 415)
  async begin(
    @Caller() caller: Caller,
    @Body() { recipient, dryRun }: ReconciliationDto,
  ): Promise<BegunReconciliationDto> {
    if (caller.controller !== this.#controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
    const id = await this.#schedule.now(recipientId(recipient), dryRun);
    if (id === undefined)
      throw new Refusal('cannot-be-read', 404, 'This is no recipient of this service whose partner can be read.');
    if (id === null) throw new Refusal('reconciliation-running', 409, 'A comparison with this recipient is running.');
    return { id };
  }

  @Get()
  @Scopes('ops:read')
  @ApiOperation({ operationId: 'listReadableRecipients', summary: 'Recipients that can be compared' })
  @ApiOkResponse({ type: ReadableRecipientsDto, description: 'Recipients of this service whose partner can be read.' })
  @ApiProblems()
  readable(@Caller() caller: Caller): ReadableRecipientsDto {
    return { recipients: caller.controller === this.#controller ? this.#schedule.recipients : [] };
  }

  @Get(':recipient')
  @Scopes('ops:read')
  @ApiOperation({ operationId: 'readReconciliation', summary: 'The newest comparison with one recipient' })
  @ApiOkResponse({ type: ReconciliationReportDto, description: 'The newest one, which may still be running.' })
  @ApiProblems(404)
  async newest(@Caller() caller: Caller, @Param('recipient') recipient: string): Promise<ReconciliationReportDto> {
    const readable = new RegExp(idPattern.name).test(recipient) && caller.controller === this.#controller;
    const report = readable ? await this.#reports.newest(recipient) : null;
    if (report === null) throw new Refusal('unknown-reconciliation', 404, 'This recipient was never compared.');
    return report;
  }
}
