import { Caller, Scopes } from '@entente/http';
import { Body, Controller, Headers, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RecordedBody } from './answers.dto.ts';
import { SaveConsents, WaitQuery, Withdraw } from './consents.dto.ts';
import { ApiProblems } from './problems.ts';
import { Recording } from './recording.ts';
import { CommandMapper } from './to-command.ts';
import type { RequestHeaders } from './to-command.ts';

@ApiTags('consents')
@ApiBearerAuth()
@Controller('v1')
export class ConsentsController {
  readonly #mapper: CommandMapper;
  readonly #recording: Recording;

  constructor(mapper: CommandMapper, recording: Recording) {
    this.#mapper = mapper;
    this.#recording = recording;
  }

  @Post('consents')
  @HttpCode(200)
  @Scopes('consent:grant', 'consent:withdraw')
  @ApiOperation({
    operationId: 'saveConsents',
    summary: 'Record one decision for each purpose',
    description:
      'What denies is always recorded. What grants needs the scope consent:grant, an Idempotency-Key and, where it is ' +
      'sent, a matching If-Match; when that stops it and the request also denies, the answer is 200 with `refused`.',
  })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'Required to grant; remembered for 48 hours.' })
  @ApiHeader({ name: 'If-Match', required: false, description: 'The version tag the person’s screen was made from.' })
  @ApiOkResponse({ type: RecordedBody })
  @ApiProblems(400, 409, 412, 413, 415, 422, 503)
  save(
    @Body() body: SaveConsents,
    @Query() { wait }: WaitQuery,
    @Headers() headers: RequestHeaders,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordedBody> {
    return this.#recording.record(this.#mapper.save(body, caller, headers), wait, reply);
  }

  @Post('withdrawals')
  @HttpCode(200)
  @Scopes('consent:withdraw')
  @ApiOperation({
    operationId: 'withdraw',
    summary: 'Withdraw consent for some purposes, or for everything',
    description: 'Never refused for a precondition; repeating it is harmless.',
  })
  @ApiOkResponse({ type: RecordedBody })
  @ApiProblems(400, 413, 415, 422, 503)
  withdraw(
    @Body() body: Withdraw,
    @Query() { wait }: WaitQuery,
    @Headers() headers: RequestHeaders,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordedBody> {
    return this.#recording.record(this.#mapper.withdrawal(body, caller, headers), wait, reply);
  }

  @Post('objections')
  @HttpCode(200)
  @Scopes('consent:withdraw')
  @ApiOperation({
    operationId: 'object',
    summary: 'Object to the use of data for some purposes, or for everything (GDPR 21)',
    description: 'Recorded as `objected`, whatever the legal basis. Never refused for a precondition.',
  })
  @ApiOkResponse({ type: RecordedBody })
  @ApiProblems(400, 413, 415, 422, 503)
  object(
    @Body() body: Withdraw,
    @Query() { wait }: WaitQuery,
    @Headers() headers: RequestHeaders,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordedBody> {
    return this.#recording.record(this.#mapper.objection(body, caller, headers), wait, reply);
  }
}
